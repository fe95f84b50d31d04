// Which build this is, as package.json says.
import { readFileSync } from "node:fs";

const packageFile = new URL("../../package.json", import.meta.url);

/** Version of this build, such as "0.1.0". */
export const version: string = (
  JSON.parse(readFileSync(packageFile, "utf8")) as { version: string }
).version;
