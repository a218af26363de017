import { runtimeConfigMap } from "../../../model/small-maps/runtime-config.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(runtimeConfigMap);
