// node examples/budgets-client/budgets.mjs   (CODE_INTERPRETER_URL, CODE_INTERPRETER_KEY)
//
// Who went over budget? 20 employees, 2,000 expense lines, two functions of this program. A model that calls functions itself
// needs a turn for each call and reads every line. Here one program calls them, and a model would read only what it prints.
// The package gpt-tokenizer counts the tokens (o200k_base).

import { encode } from "gpt-tokenizer";

const url = process.env.CODE_INTERPRETER_URL ?? "http://127.0.0.1:8080";
const headers = { authorization: `Bearer ${process.env.CODE_INTERPRETER_KEY}`, "content-type": "application/json" };

const employees = Array.from({ length: 20 }, (_, at) => ({ id: at + 1, name: `employee ${at + 1}`, budget: 5_000 + 100 * at }));
const expenses = Array.from({ length: 2_000 }, (_, at) => ({ employee: (at % 20) + 1, purpose: `trip ${at}`, amount: 20 + ((at * 37) % 80) }));

const functions = {
  list_employees: () => employees,
  list_expenses: ({ employee_id }) => expenses.filter((line) => line.employee === employee_id),
};

// What a model would write.
const code = `
from concurrent.futures import ThreadPoolExecutor

people = list_employees()
with ThreadPoolExecutor(8) as pool:
    lines = pool.map(lambda person: list_expenses(employee_id=person["id"]), people)
for person, spent in zip(people, (sum(line["amount"] for line in one) for one in lines)):
    if spent > person["budget"]:
        print(f"{person['name']}: {spent - person['budget']} over {person['budget']}")
`;

const tools = [
  { type: "function", name: "list_employees", description: "All employees with their budgets." },
  {
    type: "function",
    name: "list_expenses",
    description: "The expense lines of one employee.",
    parameters: { type: "object", properties: { employee_id: { type: "integer" } }, required: ["employee_id"] },
  },
];

let calls = 0;
// Turn by turn, each turn reads the question, the calls so far and their answers again.
const question = JSON.stringify({ tools, question: "Who went over budget, and by how much?" });
const turnByTurn = { context: tokensOf(question), read: tokensOf(question) };
let execution = await post("/v1/executions", { code, tools });
while (execution.status === "requires_action") {
  const outputs = execution.pending_calls.map(({ call_id, name, arguments: args }) => ({ call_id, output: functions[name](args) }));
  for (const [at, { call_id, output }] of outputs.entries()) {
    const { name, arguments: args } = execution.pending_calls[at];
    calls += 1;
    turnByTurn.context += tokensOf(JSON.stringify({ call_id, name, arguments: args })) + tokensOf(JSON.stringify({ call_id, output }));
    turnByTurn.read += turnByTurn.context;
  }
  execution = await post(`/v1/executions/${execution.id}/tool_outputs`, { outputs });
}
const printed = execution.outputs.map((output) => output.text ?? output.value).join("");
process.stdout.write(printed);
// In one program: a turn that reads the question and writes the code, and one that reads both and what was printed.
const first = tokensOf(question);
const oneProgram = { context: first + tokensOf(code) + tokensOf(printed), read: 2 * first + tokensOf(code) + tokensOf(printed) };
console.log(`${calls} calls, turn by turn: ${calls + 1} turns, ${turnByTurn.context} tokens of context, ${turnByTurn.read} read`);
console.log(`${calls} calls, in one program: 2 turns, ${oneProgram.context} tokens of context, ${oneProgram.read} read`);

function tokensOf(text) {
  return encode(text).length;
}

async function post(path, body) {
  const response = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail);
  return answer;
}
