import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Loaded into a measured service: SIGUSR2 runs a full garbage collection before memory is measured. */
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
process.on("SIGUSR2", () => {
  collect();
  collect();
});
