// (g) The contract suite that every registry keeps, on real Nacos.
export { run, title } from "../nacos/contract.mjs";
