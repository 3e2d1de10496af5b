import { z } from "zod";
import { conversationItemsSchema, conversationSchema, conversationUpdateSchema } from "../../assistant/views/conversation.ts";
import { conversationIdPattern } from "../../domain/ids.ts";
import { wholeTime } from "../../domain/time.ts";
import { pageQuery } from "../core/paging.ts";
import { jsonResponse, listOf, openaiErrorResponses, type PathContext } from "../openapi/parts.ts";

const tags = ["assistant"];
const path = "/v1/conversations/{id}";
const itemIdPattern = /^[a-z]+_[0-9a-z]{24}$/;

const conversation = z
  .object({
    id: z.string(),
    object: z.literal("conversation"),
    created_at: wholeTime,
    metadata: z.record(z.string(), z.string()),
  })
  .strict();
const conversationExample = {
  id: "conv_4x9p2m7k0q8r5t1v6w3y2z8a",
  object: "conversation",
  created_at: 1_767_225_600,
  metadata: { topic: "sales" },
};
const itemExample = {
  type: "message",
  id: "msg_4x9p2m7k0q8r5t1v6w3y2z8a",
  role: "user",
  status: "completed",
  content: [{ type: "input_text", text: "Which month sold most?" }],
};
const bodyErrors = ["malformed_json", "body_too_large", "unsupported_media_type", "invalid_field", "organization_storage_full"] as const;

/** Conversations: `item` is the schema of their items. */
export function addConversationPaths({ registry, limits, security }: PathContext, item: z.ZodType): void {
  const shown = registry.register("Conversation", conversation);
  const byId = { params: z.object({ id: z.string().regex(conversationIdPattern) }) };
  const byItem = { params: byId.params.extend({ item_id: z.string().regex(itemIdPattern) }) };
  const json = (schema: z.ZodType, example: unknown) => ({
    body: { required: true, content: { "application/json": { schema, example } } },
  });
  const page = { object: "list", data: [itemExample], has_more: false, first_id: itemExample.id, last_id: itemExample.id };

  registry.registerPath({
    method: "post",
    path: "/v1/conversations",
    operationId: "createConversation",
    tags,
    security,
    summary: "Create a conversation",
    description: "A list of items. A response with `conversation` continues it, and adds its input and output.",
    request: json(conversationSchema(limits), { metadata: { topic: "sales" } }),
    responses: { 200: jsonResponse("The conversation.", shown, conversationExample), ...openaiErrorResponses(bodyErrors) },
  });
  registry.registerPath({
    method: "get",
    path,
    operationId: "getConversation",
    tags,
    security,
    summary: "Get a conversation",
    description: "Its record without its items.",
    request: byId,
    responses: { 200: jsonResponse("The conversation.", shown, conversationExample), ...openaiErrorResponses(["conversation_not_found"]) },
  });
  registry.registerPath({
    method: "post",
    path,
    operationId: "updateConversation",
    tags,
    security,
    summary: "Change a conversation",
    description: "Replaces its metadata.",
    request: { ...byId, ...json(conversationUpdateSchema(limits), { metadata: { topic: "costs" } }) },
    responses: {
      200: jsonResponse("The conversation.", shown, conversationExample),
      ...openaiErrorResponses([...bodyErrors, "conversation_not_found"]),
    },
  });
  registry.registerPath({
    method: "delete",
    path,
    operationId: "deleteConversation",
    tags,
    security,
    summary: "Delete a conversation",
    description: "With its items. Responses and containers are kept.",
    request: byId,
    responses: {
      200: jsonResponse(
        "Deleted.",
        z.object({ id: z.string(), object: z.literal("conversation.deleted"), deleted: z.literal(true) }).strict(),
        { id: conversationExample.id, object: "conversation.deleted", deleted: true },
      ),
      ...openaiErrorResponses(["conversation_not_found"]),
    },
  });
  registry.registerPath({
    method: "post",
    path: `${path}/items`,
    operationId: "addConversationItems",
    tags,
    security,
    summary: "Add items to a conversation",
    description: "Items as in the `input` of a response.",
    request: {
      ...byId,
      ...json(conversationItemsSchema(limits), {
        items: [{ type: "message", role: "user", content: [{ type: "input_text", text: "Which month sold most?" }] }],
      }),
    },
    responses: {
      200: jsonResponse("The added items.", listOf(item), page),
      ...openaiErrorResponses([...bodyErrors, "conversation_not_found"]),
    },
  });
  registry.registerPath({
    method: "get",
    path: `${path}/items`,
    operationId: "listConversationItems",
    tags,
    security,
    summary: "List the items of a conversation",
    description: "The newest first by default.",
    request: {
      ...byId,
      query: z.object({ ...pageQuery(limits, itemIdPattern, { lowers: true }), include: z.array(z.string()).optional() }),
    },
    responses: {
      200: jsonResponse("A page.", listOf(item), page),
      ...openaiErrorResponses(["conversation_not_found", "invalid_field", "unknown_field"]),
    },
  });
  registry.registerPath({
    method: "get",
    path: `${path}/items/{item_id}`,
    operationId: "getConversationItem",
    tags,
    security,
    summary: "Get an item of a conversation",
    description: "`include` adds what an item has only on request.",
    request: { ...byItem, query: z.object({ include: z.array(z.string()).optional() }) },
    responses: {
      200: jsonResponse("The item.", item, itemExample),
      ...openaiErrorResponses(["conversation_not_found", "item_not_found", "invalid_field"]),
    },
  });
  registry.registerPath({
    method: "delete",
    path: `${path}/items/{item_id}`,
    operationId: "deleteConversationItem",
    tags,
    security,
    summary: "Remove an item from a conversation",
    description: "Later responses do not see it.",
    request: byItem,
    responses: {
      200: jsonResponse("The conversation.", shown, conversationExample),
      ...openaiErrorResponses(["conversation_not_found", "item_not_found"]),
    },
  });
}
