import { deviceMap } from "../../../model/small-maps/device.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(deviceMap);
