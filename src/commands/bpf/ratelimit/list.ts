import { ratelimitMap } from "../../../model/small-maps/ratelimit.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(ratelimitMap);
