/** This build, as `package.json` has it. */
export const buildVersion = "0.1.0";
