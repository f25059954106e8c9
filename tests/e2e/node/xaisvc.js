// A small client for the service: loads the .proto files, no generated code. Needs @grpc/grpc-js and @grpc/proto-loader.

import { promisify } from "node:util";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const OPTIONS = { keepCase: true, enums: String, longs: Number, oneofs: true, defaults: true, arrays: true };
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024; // grpc-js takes 4 MiB unless told otherwise: too little for many views

/** Stubs whose methods take a request and give a promise of the response. */
export function connect(target, protosDir) {
  const files = ["explanations", "models", "audiences"].map((name) => `xaisvc/v1/${name}.proto`);
  const definition = protoLoader.loadSync(files, { ...OPTIONS, includeDirs: [protosDir] });
  const { ExplanationService, ModelService, AudienceService } = grpc.loadPackageDefinition(definition).xaisvc.v1;
  const stubs = [ExplanationService, ModelService, AudienceService].map(
    (Service) =>
      new Service(target, grpc.credentials.createInsecure(), { "grpc.max_receive_message_length": MAX_MESSAGE_BYTES }),
  );
  const calls = { close: () => stubs.forEach((stub) => stub.close()) };
  for (const stub of stubs) {
    for (const name of Object.keys(Object.getPrototypeOf(stub)).filter((key) => /^[A-Z]/.test(key))) {
      const call = promisify(stub[name].bind(stub));
      calls[name] = (request, { timeoutMs = 30_000 } = {}) => call(request, { deadline: Date.now() + timeoutMs });
    }
  }
  return calls;
}

/** A plain object of feature ids and values, as a Row message; null and undefined are missing values. */
export function row(values) {
  return { values: Object.fromEntries(Object.entries(values).map(([feature, value]) => [feature, toValue(value)])) };
}

function toValue(value) {
  if (value === null || value === undefined) return { missing: {} };
  if (typeof value === "boolean") return { boolean: value };
  if (typeof value === "string") return { text: value };
  if (typeof value !== "number") throw new TypeError(`a ${typeof value} is no number, text, boolean or missing value`);
  return Number.isSafeInteger(value) ? { integer: value } : { number: value };
}
