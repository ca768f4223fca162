export { pause, until, watchPorts } from "../nacos/wait.mjs";
