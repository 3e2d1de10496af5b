/** What the document shows of the assistant; the test suite holds each one against its schema. */
const QUESTION = "What is the compound interest on $10,000 at 7% for 20 years?";

export const responseRequestExample = {
  tools: [{ type: "code_interpreter", mode: "auto" }],
  inputs: [{ type: "message", role: "user", content: [{ type: "text", text: QUESTION }] }],
};

export const responseExample = {
  id: "resp_4x9p2m7k0q8r5t1v6w3y2z8a",
  object: "response",
  created_at: 1_767_225_600,
  status: "completed",
  completed_at: 1_767_225_603,
  background: false,
  error: null,
  incomplete_details: null,
  instructions: null,
  max_output_tokens: null,
  max_tool_calls: null,
  metadata: {},
  model: "my-model",
  output: [
    {
      type: "code_interpreter_call",
      id: "ci_4x9p2m7k0q8r5t1v6w3y2z8a",
      status: "completed",
      code: "principal = 10_000\nprint(f'${principal * 1.07 ** 20:,.2f}')",
      container_id: "cntr_4x9p2m7k0q8r5t1v6w3y2z8a",
      outputs: [{ type: "text", text: "$38,696.84" }],
      cause: null,
      execution_id: "ci_7h3n9k2m5p8q1r4t6v0w3x9z",
    },
    {
      type: "message",
      id: "msg_4x9p2m7k0q8r5t1v6w3y2z8a",
      role: "assistant",
      status: "completed",
      content: [{ type: "output_text", text: "The balance after 20 years is $38,696.84.", annotations: [], logprobs: [] }],
    },
  ],
  parallel_tool_calls: true,
  previous_response_id: null,
  store: true,
  temperature: null,
  tool_choice: "auto",
  tools: [{ type: "code_interpreter", mode: "auto" }],
  top_p: null,
  usage: {
    input_tokens: 412,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 96,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 508,
  },
  organization_id: "org_acme",
  assistant_id: null,
  container_id: "cntr_4x9p2m7k0q8r5t1v6w3y2z8a",
  expires_at: 1_767_312_000,
};

export const responseStreamExample = [
  "id: 4",
  "event: response.code_interpreter_call_code.delta",
  'data: {"type":"response.code_interpreter_call_code.delta","sequence_number":4,"output_index":0,"item_id":"ci_4x9p2m7k0q8r5t1v6w3y2z8a","delta":"principal"}',
  "",
  "",
].join("\n");

export const assistantExample = {
  id: "asst_4x9p2m7k0q8r5t1v6w3y2z8a",
  object: "assistant",
  created_at: 1_767_225_600,
  name: "Analyst",
  model: null,
  instructions: "Answer in one sentence.",
  tools: [{ type: "code_interpreter", mode: "on" }],
  file_ids: [],
  metadata: {},
};
