import type { Request } from "express";
import {
  conversationItemsSchema,
  conversationSchema,
  conversationUpdateSchema,
  viewOfConversation,
} from "../../assistant/views/conversation.ts";
import { writtenOutItems } from "../../assistant/views/request.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { runBlocking } from "../core/turns.ts";
import { checked, jsonBody } from "../core/validate.ts";
import { idOf } from "../responses/response-param.ts";
import { pageOfItems } from "./item-page.ts";

/** The routes of OpenAI's conversations: a list of items that responses continue. */
export function conversationRoutes(deps: AppDeps): Route[] {
  return [create(deps), get(deps), update(deps), remove(deps), ...itemRoutes(deps)];
}

function create(deps: AppDeps): Route {
  const schema = conversationSchema(deps.limits);
  return route("post", "/v1/conversations", "execute", [
    ...jsonBody(deps.limits),
    async (request, response) => {
      const made = await deps.assistant.conversations.create(callerOf(response).organization, checked(schema, itemsWrittenOut(request)));
      response.json(viewOfConversation(made));
    },
  ]);
}

function get(deps: AppDeps): Route {
  return route("get", "/v1/conversations/:id", "read", [
    async (request, response) => {
      response.json(viewOfConversation(await deps.assistant.conversations.get(callerOf(response).organization, idOf(request))));
    },
  ]);
}

function update(deps: AppDeps): Route {
  const schema = conversationUpdateSchema(deps.limits);
  return route("post", "/v1/conversations/:id", "execute", [
    ...jsonBody(deps.limits),
    async (request, response) => {
      const { metadata } = checked(schema, request.body);
      const { organization } = callerOf(response);
      response.json(viewOfConversation(await deps.assistant.conversations.setMetadata(organization, idOf(request), metadata ?? {})));
    },
  ]);
}

function remove(deps: AppDeps): Route {
  return route("delete", "/v1/conversations/:id", "execute", [
    async (request, response) => {
      await deps.assistant.conversations.delete(callerOf(response).organization, idOf(request));
      response.json({ id: idOf(request), object: "conversation.deleted", deleted: true });
    },
  ]);
}

function itemRoutes(deps: AppDeps): Route[] {
  const { conversations } = deps.assistant;
  const schema = conversationItemsSchema(deps.limits);
  const page = pageOfItems(deps);
  const path = "/v1/conversations/:id/items";
  return [
    route("post", path, "execute", [
      ...jsonBody(deps.limits),
      async (request, response) => {
        const { items } = checked(schema, itemsWrittenOut(request));
        const added = await conversations.addItems(callerOf(response).organization, idOf(request), items);
        response.json(await page.all(request, response, added));
      },
    ]),
    // Each of these reads all items, which may have megabytes.
    route("get", path, "read", [
      (request, response) =>
        runBlocking(response, async () => {
          const items = await conversations.items(callerOf(response).organization, idOf(request));
          response.json(await page.one(request, response, items));
        }),
    ]),
    route("get", `${path}/:item_id`, "read", [
      (request, response) =>
        runBlocking(response, async () => {
          const item = await conversations.item(callerOf(response).organization, idOf(request), itemIdOf(request));
          response.json(await page.view(request, response, item));
        }),
    ]),
    route("delete", `${path}/:item_id`, "execute", [
      (request, response) =>
        runBlocking(response, async () => {
          const left = await conversations.deleteItem(callerOf(response).organization, idOf(request), itemIdOf(request));
          response.json(viewOfConversation(left));
        }),
    ]),
  ];
}

function route(method: Route["method"], path: string, scope: Route["scope"], handlers: Route["handlers"]): Route {
  return { method, path, scope, ofOpenai: true, handlers };
}

function itemsWrittenOut(request: Request): unknown {
  const body = request.body as Record<string, unknown>;
  return body.items === undefined ? body : { ...body, items: writtenOutItems(body.items, "openai") };
}

function itemIdOf(request: Request): string {
  const { item_id: id } = request.params;
  return typeof id === "string" ? id : "";
}
