import {
  completeAddress,
  type HostPort,
  isLoopbackHost,
  parseHttpAddress,
  parseServiceUri,
  printHostPort,
  type ServiceUri,
} from "./addresses.ts";
import { type ListenerConfig, operatorPortDefault, servicePortDefault } from "./config.ts";
import type { Findings } from "./findings.ts";
import type { FlagValues } from "./flagTable.ts";
import { offchainNetwork } from "./networks.ts";

/*
 * The rules about addresses: what gateways are told, and where the two ports listen.
 */

/** The service address as given. Null when it is unset, `none`, or no good. */
export function readService(values: FlagValues, { mistakes, notices }: Findings): ServiceUri | null {
  const text = values.serviceAddr;
  if (text === "") return null;
  if (text === "none") {
    if (values.nodes === "") {
      mistakes.push({
        flag: "serviceAddr",
        text: "Empty service URI and no additional nodes specified; set -serviceAddr or -nodes",
        fix: "Give -serviceAddr this node's address, or -nodes the addresses to advertise instead.",
        exitCode: 1,
      });
    }
    return null;
  }
  const parsed = parseServiceUri(text);
  const isBad = parsed.type === "bad" || parsed.value.port === null;
  if (isBad) {
    const reason =
      parsed.type === "bad" ? parsed.reason : `parse ${JSON.stringify(parsed.value.text)}: missing port`;
    mistakes.push({
      flag: "serviceAddr",
      text: `Error getting service URI: ${reason}`,
      fix: `Give host and port, such as -serviceAddr o.example:${servicePortDefault}.`,
      exitCode: 1,
    });
    return null;
  }
  if (parsed.value.host === "0.0.0.0" || parsed.value.host === "::") {
    notices.push(
      `-serviceAddr ${text} is no address that a gateway on another machine can reach: give the public one.`,
    );
  }
  return parsed.value;
}

/** Where and how the service port listens. */
export function readListener(
  values: FlagValues,
  service: ServiceUri | null,
  { mistakes, notices }: Findings,
): ListenerConfig {
  // With go-livepeer a node that advertises loopback still listens on every interface; nobody could need that.
  // On a chain gateways come by the registry's address from everywhere, whether it is known here or not.
  // A redeemer takes everybody's word for who he is: by itself it is there for this machine only.
  const isUnknown = values.serviceAddr === "" && (values.network === offchainNetwork || values.redeemer);
  const isLocal = isUnknown || (service !== null && isLoopbackHost(service.host));
  const localHost = service?.host === undefined || service.host === "localhost" ? "127.0.0.1" : service.host;
  const fallback = { host: isLocal ? localHost : "", port: service?.port ?? servicePortDefault };
  const scheme = parseHttpAddress(values.httpAddr);
  const parsed =
    scheme.type === "bad" ? scheme : completeAddress(scheme.value.addressText, { ...fallback, host: "" });
  if (parsed.type === "bad") {
    const reason = scheme.type === "bad" ? parsed.reason : `listen tcp: ${parsed.reason}`;
    mistakes.push({
      flag: "httpAddr",
      text: `Error starting Transcoder node: err=${JSON.stringify(reason)}`,
      fix: `Give host:port, such as -httpAddr 0.0.0.0:${servicePortDefault}, with http:// in front for clear text.`,
      exitCode: 2,
    });
  }
  const isUnset = values.httpAddr === "";
  const bind = isUnset || parsed.type === "bad" ? fallback : parsed.value;
  if (isUnset && isLocal && values.serviceAddr !== "") {
    notices.push(
      `Listening on ${printHostPort(bind)} only, because -serviceAddr is a loopback address. ` +
        `For other machines give -httpAddr 0.0.0.0:${bind.port}.`,
    );
  }
  const tls = scheme.type === "ok" ? scheme.value.tls : null;
  // A clear-text service address without -httpAddr: gateways will speak clear text, so we must too.
  const isTls = tls ?? (isUnset && service !== null ? service.isTls : true);
  if (service !== null && service.isTls !== isTls) {
    const spoken = isTls ? "TLS" : "clear text";
    notices.push(
      `The service port speaks ${spoken} but gateways are told ${service.text}: a proxy must stand between.`,
    );
  }
  return {
    bind,
    isTls,
    certificateHost: service?.host ?? (bind.host === "" ? "127.0.0.1" : bind.host),
  };
}

/** The advertised URI. Without `-serviceAddr` it is loopback: Reprise asks nobody for its public address. */
export function readServiceUri(
  values: FlagValues,
  service: ServiceUri | null,
  listener: ListenerConfig,
): string {
  if (values.serviceAddr === "none") return "";
  if (service !== null) return service.text;
  const { host, port } = listener.bind;
  const reachable = host === "" || host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `${listener.isTls ? "https" : "http"}://${printHostPort({ host: reachable, port })}`;
}

/** Where the operator port listens: loopback unless told otherwise. */
export function readOperatorAddress(
  values: FlagValues,
  listener: ListenerConfig,
  findings: Findings,
): HostPort {
  const fallback = { host: "127.0.0.1", port: operatorPortDefault };
  const parsed = completeAddress(values.cliAddr, fallback);
  if (parsed.type === "bad") {
    findings.mistakes.push({
      flag: "cliAddr",
      text: `listen tcp: ${parsed.reason}`,
      fix: `Give host:port, such as -cliAddr 127.0.0.1:${operatorPortDefault}.`,
      exitCode: 1,
    });
    return fallback;
  }
  const bind = parsed.value;
  if (!isLoopbackHost(bind.host)) {
    findings.notices.push(
      `The operator port on ${printHostPort(bind)} can be reached from other machines and asks for no password: ` +
        "let a firewall decide who may.",
    );
  }
  const isSamePlace =
    bind.port !== 0 && bind.port === listener.bind.port && overlaps(bind.host, listener.bind.host);
  if (isSamePlace) {
    findings.mistakes.push({
      flag: "cliAddr",
      text: `-cliAddr and the service port are both ${printHostPort(bind)}`,
      fix: "Give one of them another port.",
      exitCode: 1,
    });
  }
  return bind;
}

function overlaps(a: string, b: string): boolean {
  const isWild = (host: string) => host === "" || host === "0.0.0.0" || host === "::";
  return a === b || isWild(a) || isWild(b);
}

/** The further instances to advertise, each an https URI. */
export function readNodes(values: FlagValues, { mistakes }: Findings): readonly string[] {
  const nodes: string[] = [];
  for (const entry of values.nodes.split(",").map((text) => text.trim())) {
    if (entry === "") continue;
    const parsed = parseServiceUri(entry);
    if (parsed.type === "ok" && parsed.value.isTls) {
      nodes.push(parsed.value.text);
      continue;
    }
    const full = entry.startsWith("http") ? entry : `https://${entry}`;
    const reason =
      parsed.type === "bad" ? parsed.reason : `parse ${JSON.stringify(full)}: an instance must be https`;
    mistakes.push({
      flag: "nodes",
      text: `No valid instance URLs parsed from -nodes: Could not parse instance URI '${full}': ${reason}`,
      fix: "Give https addresses separated by commas, such as -nodes a.example:8935,b.example:8935.",
      exitCode: 1,
    });
  }
  return nodes;
}
