import { oneRendition } from "./poolFixture.ts";
import { openTranscodeWorkers, softwareSlots } from "../../../src/workers/openTranscodeWorkers.ts";

/*
 * Stands for an orchestrator that a test kills: opens two workers of the entry in its first argument, gives each a
 * segment (the file in its second argument), and prints the workers' process ids when both work.
 */

const [entry = "", media = ""] = process.argv.slice(2);
const workers = openTranscodeWorkers({ entry, slots: softwareSlots(2), env: { SCRIPTED_START: "ready" } });
const bytes = await Bun.file(media).bytes();
const pids = [1, 2].map(async (n) => {
  const started = Promise.withResolvers<string>();
  workers.submit({
    jobId: `${n}`,
    sessionId: `${n}`,
    media: bytes,
    job: oneRendition,
    deadlineMs: Date.now() + 60_000,
    avoid: [],
    onStart: started.resolve,
  });
  const workerId = await started.promise;
  return Number(workerId.slice(workerId.lastIndexOf("-") + 1));
});
console.log(JSON.stringify(await Promise.all(pids)));
