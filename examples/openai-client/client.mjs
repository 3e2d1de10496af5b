// node examples/openai-client/client.mjs   (CODE_INTERPRETER_URL, CODE_INTERPRETER_KEY; the service needs a model, MODEL_BASE_URL)
import OpenAI from "openai";

const baseURL = `${process.env.CODE_INTERPRETER_URL ?? "http://127.0.0.1:8080"}/v1`;
const client = new OpenAI({ baseURL, apiKey: process.env.CODE_INTERPRETER_KEY });

const tools = [{ type: "code_interpreter", container: { type: "auto" } }];
const input = "What is the compound interest on $10,000 at 7% for 20 years?";
const response = await client.responses.create({ tools, input });
console.log(response.output_text);
