// Written by `npm run client-types`.
export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        Execution: {
            /** @enum {string} */
            type: "code_interpreter_call";
            id: string;
            /** @enum {string} */
            status: "queued" | "in_progress" | "requires_action" | "completed" | "failed" | "incomplete" | "cancelled" | "errored";
            /** @enum {string|null} */
            cause: "exception" | "exit" | "signal" | "timeout" | "memory" | "processes" | "disk" | "output" | "cancelled" | "sandbox_lost" | "worker_lost" | null;
            evidence: {
                exit_code?: number;
                signal?: string;
                oom_kills?: number;
                memory_peak_bytes?: number;
                processes_refused?: number;
                /** @description name of the limit that was reached */
                limit?: string;
                limit_value?: number;
                /** @description after an import of a missing module: the nearest installed one, or where the list is */
                suggestion?: string;
                /** @description in a container: whether its variables still exist */
                session_alive?: boolean;
                /**
                 * @description in a container: the code ended its process, and the variables are those from before it; threads and sockets are gone, files are as the code left them
                 * @enum {string}
                 */
                restored?: "before_cell";
            };
            code: string;
            container_id: string | null;
            outputs: components["schemas"]["Output"][];
            /** @description null until it has ended */
            usage: {
                /** @description from acceptance until a worker took it */
                queue_ms: number;
                /** @description until the worker had a sandbox */
                acquire_ms: number;
                /** @description running the code */
                run_ms: number;
                /** @description collecting files from the sandbox */
                collect_ms: number;
                cpu_ms: number;
                memory_peak_bytes: number;
                /** @description written; the result may contain only a part */
                stdout_bytes: number;
                /** @description written; the result may contain only a part */
                stderr_bytes: number;
                file_bytes: number;
                /** @description the sandbox came ready from the pool */
                warm: boolean;
                /**
                 * @description what created the sandbox; null when there was none
                 * @enum {string|null}
                 */
                engine: "docker" | "oci" | null;
            } | null;
            truncated: {
                stdout: boolean;
                stderr: boolean;
                outputs: boolean;
                files: boolean;
            };
            /** @description files that were left out, each with the reason */
            skipped_files: {
                name: string;
                reason: string;
            }[];
            /** @description with the status `requires_action`: the calls that wait for an answer */
            pending_calls?: {
                call_id: string;
                name: string;
                /** @description checked against the tool's schema */
                arguments: {
                    [key: string]: unknown;
                };
            }[];
            /** @description calls of the code to its caller's tools, in order; with tools only */
            tool_calls?: {
                call_id: string;
                name: string;
                /** @description from the start of the code, milliseconds */
                started_ms: number;
                /** @description until the answer, milliseconds */
                duration_ms: number;
                arguments_bytes: number;
                output_bytes: number;
                /** @enum {string} */
                outcome: "output" | "error" | "timeout" | "failed" | "abandoned";
            }[];
            /**
             * @description null until it has ended
             * @enum {string|null}
             */
            outcome: "never_started" | "ran" | "ran_partly" | null;
            retry_safe: boolean;
            /** @description 0 until a worker took it */
            attempt: number;
            /** @description Unix time, seconds; the fraction has milliseconds */
            created_at: number;
            /** @description Unix time, seconds; the fraction has milliseconds */
            started_at: number | null;
            /** @description Unix time, seconds; the fraction has milliseconds */
            completed_at: number | null;
            /** @description Unix time, seconds; the fraction has milliseconds */
            expires_at: number;
            metadata: {
                [key: string]: string;
            };
            /** @description trace id, when tracing is on */
            trace_id?: string;
        };
        ExecutionEvent: components["schemas"]["EventStarted"] | components["schemas"]["EventOutput"] | components["schemas"]["EventToolCall"] | components["schemas"]["EventToolOutput"] | components["schemas"]["EventEnded"];
        ExecutionRequest: {
            /** @description Python source, run as one cell */
            code: string;
            /** @description files placed in the working folder before the code runs; default: [] */
            files?: {
                name: string;
                file_id?: string;
                text?: string;
                base64?: string;
            }[];
            /** @description session to run in */
            container?: string;
            /** @description sys.argv[1:]; default: [] */
            args?: string[];
            /** @description default: "" */
            stdin?: string;
            /** @description default: {} */
            env?: {
                [key: string]: string;
            };
            /** @description wall time of the code, milliseconds; default: 30000 */
            timeout_ms?: number;
            /** @description memory of the sandbox, MiB; default: 512 */
            memory_mb?: number;
            /**
             * @description `high` runs before the organization's own waiting executions; default: "normal"
             * @enum {string}
             */
            priority?: "normal" | "high";
            /** @description default: {} */
            metadata?: {
                [key: string]: string;
            };
            /** @description called once the execution has ended */
            webhook?: {
                /** Format: uri */
                url: string;
                /** @description key of the HMAC-SHA256 signature */
                secret: string;
            };
            /** @description functions of the caller that the code may call */
            tools?: {
                /** @enum {string} */
                type: "function";
                name: string;
                description?: string;
                /** @description JSON Schema of the arguments, an object */
                parameters?: {
                    [key: string]: unknown;
                };
                /** @description whether calls are awaited; decided from the code when absent */
                async?: boolean;
            }[];
            /**
             * Format: uri
             * @description each call is posted here and the answer taken; without it, the caller answers through `tool_outputs`
             */
            tools_url?: string;
            /** @description key of the HMAC-SHA256 signature of each call */
            tools_secret?: string;
            /** @description labels of MCP servers of the operator, whose tools the code may call as `label.tool(…)` */
            mcp_servers?: string[];
            /** @description time for the answer of one call, milliseconds; 60000 when absent */
            tool_timeout_ms?: number;
        };
        File: {
            id: string;
            /** @enum {string} */
            object: "file";
            bytes: number;
            /** @description Unix time, seconds */
            created_at: number;
            /** @description Unix time, seconds */
            expires_at: number;
            filename: string;
            /** @enum {string} */
            purpose: "user_data" | "assistants" | "batch" | "fine-tune" | "vision" | "evals" | "assistants_output";
            /** @enum {string} */
            status: "processed";
            sha256: string;
            /** @description derived from the name; the content type of the upload is ignored */
            mime_type: string;
            /** @description execution that produced it; null for uploads */
            execution_id: string | null;
        };
        Container: {
            id: string;
            /** @enum {string} */
            object: "container";
            /** @description Unix time, seconds */
            created_at: number;
            /** @description Unix time, seconds */
            last_active_at: number;
            name: string;
            /**
             * @description `active`: accepts executions; `expired`: was idle for too long; `lost`: its sandbox or worker ended
             * @enum {string}
             */
            status: "starting" | "active" | "expired" | "lost";
            expires_after: {
                /** @enum {string} */
                anchor: "last_active_at";
                minutes: number;
            };
            /** @description `512m`, `4g` */
            memory_limit: string;
            network_policy: {
                /** @enum {string} */
                type: "disabled";
            };
            /**
             * @description what happens when code kills its process: the variables from before it are restored, or the container ends
             * @enum {string}
             */
            on_killed_cell: "restore" | "end";
            /** @description the container whose files it was created with */
            restored_from: string | null;
            /**
             * @description present with `restore_from`: only files are restored
             * @enum {boolean}
             */
            variables_restored?: false;
        };
        ContainerRequest: {
            name?: string;
            /** @description stored files to place in the working folder under their own names */
            file_ids?: string[];
            /** @description idle time after which it expires; default: 20 minutes; more than 60 become 60 */
            expires_after?: {
                /** @enum {string} */
                anchor: "last_active_at";
                minutes: number;
            };
            /** @description default: 512m; more than 1024m becomes that, as the answer shows */
            memory_limit?: string;
            /** @description containers have no network */
            network_policy?: {
                /** @enum {string} */
                type: "disabled";
            };
            /**
             * @description when code kills its process or has to be killed: `restore` (default) goes on with the variables from before that code, `end` ends the container
             * @enum {string}
             */
            on_killed_cell?: "restore" | "end";
            /** @description an expired or lost container whose files are restored, without its variables */
            restore_from?: string;
        };
        ContainerFile: {
            id: string;
            /** @enum {string} */
            object: "container.file";
            container_id: string;
            /** @description Unix time, seconds */
            created_at: number;
            bytes: number;
            path: string;
            /**
             * @description `user`: it was added; `assistant`: code wrote it
             * @enum {string}
             */
            source: "user" | "assistant";
        };
        Response: {
            id: string;
            /** @enum {string} */
            object: "response";
            /** @description Unix time, seconds */
            created_at: number;
            /** @description Unix time, seconds */
            completed_at: number | null;
            /** @enum {string} */
            status: "queued" | "in_progress" | "completed" | "failed" | "incomplete" | "cancelled";
            background: boolean;
            error: {
                code: string;
                message: string;
                type?: string;
            } | null;
            incomplete_details: {
                /** @enum {string} */
                reason: "max_output_tokens" | "content_filter" | "max_tool_calls";
            } | null;
            instructions: string | null;
            metadata: {
                [key: string]: string;
            };
            model: string;
            output: (({
                /** @enum {string} */
                type: "code_interpreter_call";
                id: string;
                /** @enum {string} */
                status: "in_progress" | "interpreting" | "completed" | "incomplete" | "failed";
                code: string | null;
                container_id: string;
                /** @description with `inputs`: typed outputs; in OpenAI's format: logs and images, null unless included */
                outputs: ({
                    type: string;
                } & {
                    [key: string]: unknown;
                })[] | null;
            } & {
                [key: string]: unknown;
            }) | ({
                /** @enum {string} */
                type: "message";
                id: string;
                /** @enum {string} */
                role: "assistant" | "user" | "system" | "developer";
                /** @enum {string} */
                status: "in_progress" | "completed" | "incomplete";
                content: ({
                    type: string;
                } & {
                    [key: string]: unknown;
                })[];
            } & {
                [key: string]: unknown;
            }) | ({
                /** @enum {string} */
                type: "function_call";
                id: string;
                call_id: string;
                name: string;
                arguments: string;
                status: string;
            } & {
                [key: string]: unknown;
            }) | ({
                /** @enum {string} */
                type: "reasoning";
                id: string;
                summary: unknown[];
                content: ({
                    /** @enum {string} */
                    type: "reasoning_text";
                    text: string;
                } & {
                    [key: string]: unknown;
                })[];
                /** @description with `include: ["reasoning.encrypted_content"]`: to be sent back when responses are not stored */
                encrypted_content: string | null;
                /** @enum {string} */
                status: "in_progress" | "completed" | "incomplete";
            } & {
                [key: string]: unknown;
            }))[];
            previous_response_id: string | null;
            usage: ({
                input_tokens: number;
                output_tokens: number;
                total_tokens: number;
            } & {
                [key: string]: unknown;
            }) | null;
        } & {
            [key: string]: unknown;
        };
        ResponseRequest: {
            /** @description or a string */
            inputs: ({
                /**
                 * @description optional
                 * @enum {string}
                 */
                type: "message";
                /** @enum {string} */
                role: "user" | "assistant" | "system" | "developer";
                /** @description or a string */
                content: ({
                    /** @enum {string} */
                    type: "text";
                    text: string;
                } | {
                    /** @enum {string} */
                    type: "input_text";
                    text: string;
                } | {
                    /** @enum {string} */
                    type: "output_text";
                    text: string;
                    annotations?: unknown[];
                    logprobs?: unknown;
                } | {
                    /** @enum {string} */
                    type: "refusal";
                    refusal: string;
                } | {
                    /** @enum {string} */
                    type: "file";
                    file_id: string;
                } | {
                    /** @enum {string} */
                    type: "input_file";
                    file_id?: string | null;
                    /** @description base64, or a data URL */
                    file_data?: string | null;
                    /** @description refused: the service fetches nothing */
                    file_url?: string | null;
                    filename?: string | null;
                    detail?: string | null;
                } | {
                    /** @enum {string} */
                    type: "input_image";
                    /** @description https, or a data URL */
                    image_url?: string | null;
                    file_id?: string | null;
                    /** @enum {string|null} */
                    detail?: "auto" | "low" | "high" | "original" | null;
                })[];
                id?: string | null;
                status?: string | null;
                phase?: string | null;
            } | {
                /** @enum {string} */
                type: "function_call";
                call_id: string;
                name: string;
                arguments: string;
                id?: string | null;
                status?: string | null;
                /** @description as the response had it: code that calls the function, or the model */
                caller?: {
                    /** @enum {string} */
                    type: "direct";
                } | {
                    /** @enum {string} */
                    type: "program";
                    caller_id: string;
                } | null;
            } | {
                /** @enum {string} */
                type: "function_call_output";
                call_id: string;
                /** @description or a string */
                output: ({
                    /** @enum {string} */
                    type: "text" | "input_text" | "output_text";
                    text: string;
                } | {
                    /** @enum {string} */
                    type: "input_file";
                    file_id?: string | null;
                    /** @description base64, or a data URL */
                    file_data?: string | null;
                    /** @description refused: the service fetches nothing */
                    file_url?: string | null;
                    filename?: string | null;
                    detail?: string | null;
                } | {
                    /** @enum {string} */
                    type: "input_image";
                    /** @description https, or a data URL */
                    image_url?: string | null;
                    file_id?: string | null;
                    /** @enum {string|null} */
                    detail?: "auto" | "low" | "high" | "original" | null;
                })[];
                id?: string | null;
                status?: string | null;
                caller?: {
                    /** @enum {string} */
                    type: "direct";
                } | {
                    /** @enum {string} */
                    type: "program";
                    caller_id: string;
                } | null;
            } | ({
                /** @enum {string} */
                type: "code_interpreter_call";
                id: string;
                status?: string | null;
                code?: string | null;
                container_id?: string | null;
                outputs?: unknown[] | null;
            } & {
                [key: string]: unknown;
            }) | ({
                /** @enum {string} */
                type: "reasoning";
                id?: string | null;
                encrypted_content?: string | null;
                content?: ({
                    text?: string | null;
                } & {
                    [key: string]: unknown;
                })[] | null;
            } & {
                [key: string]: unknown;
            }) | {
                /** @enum {string} */
                type: "item_reference";
                id: string;
            })[];
            model?: string | null;
            instructions?: string | null;
            tools?: ({
                /** @enum {string} */
                type: "code_interpreter";
                /**
                 * @description auto: when needed; on: before any answer; off: never
                 * @enum {string}
                 */
                mode?: "auto" | "on" | "off";
                container?: string | {
                    /** @enum {string} */
                    type: "auto";
                    file_ids?: string[] | null;
                    memory_limit?: string | null;
                    network_policy?: ({
                        /** @enum {string} */
                        type: "disabled";
                    } & {
                        [key: string]: unknown;
                    }) | null;
                };
                file_ids?: string[];
                /** @description labels of MCP servers of the operator, whose tools the code may call; the operator's choice when absent */
                mcp_servers?: string[];
                allowed_callers?: unknown;
            } | {
                /** @enum {string} */
                type: "function";
                name: string;
                description?: string | null;
                parameters?: {
                    [key: string]: unknown;
                } | null;
                strict?: boolean | null;
                /** @description `programmatic`: code may call it; `direct`: the model may call it, the default */
                allowed_callers?: ("direct" | "programmatic")[] | null;
            } | {
                /** @enum {string} */
                type: "programmatic_tool_calling";
            })[] | null;
            tool_choice?: ("none" | "auto" | "required") | {
                /** @enum {string} */
                type: "code_interpreter";
            } | {
                /** @enum {string} */
                type: "function";
                name: string;
            } | {
                /** @enum {string} */
                type: "custom";
                name: string;
            } | {
                /** @enum {string} */
                type: "allowed_tools";
                /** @enum {string} */
                mode: "auto" | "required";
                tools: ({
                    type: string;
                    name?: string;
                } & {
                    [key: string]: unknown;
                })[];
            } | null;
            previous_response_id?: string | null;
            /** @description `code_interpreter_call.outputs` adds the outputs of code in OpenAI's dialect, `reasoning.encrypted_content` reasoning that can be sent back */
            include?: ("code_interpreter_call.outputs" | "reasoning.encrypted_content" | "computer_call_output.output.image_url" | "file_search_call.results" | "message.input_image.image_url" | "message.output_text.logprobs" | "web_search_call.action.sources" | "web_search_call.results")[] | null;
            /** @description more than 16 become that, as the answer shows */
            max_tool_calls?: number | null;
            /** @description per turn of the model; more than 16384 become that, as the answer shows */
            max_output_tokens?: number | null;
            metadata?: {
                [key: string]: string;
            } | null;
            store?: boolean | null;
            background?: boolean | null;
            stream?: boolean | null;
            temperature?: number | null;
            top_p?: number | null;
            parallel_tool_calls?: boolean | null;
            assistant_id?: string | null;
            /** @description the key's own organization */
            organization_id?: string | null;
        };
        ResponseRequestOpenai: {
            /** @description or a string */
            input: ({
                /**
                 * @description optional
                 * @enum {string}
                 */
                type: "message";
                /** @enum {string} */
                role: "user" | "assistant" | "system" | "developer";
                /** @description or a string */
                content: ({
                    /** @enum {string} */
                    type: "text";
                    text: string;
                } | {
                    /** @enum {string} */
                    type: "input_text";
                    text: string;
                } | {
                    /** @enum {string} */
                    type: "output_text";
                    text: string;
                    annotations?: unknown[];
                    logprobs?: unknown;
                } | {
                    /** @enum {string} */
                    type: "refusal";
                    refusal: string;
                } | {
                    /** @enum {string} */
                    type: "file";
                    file_id: string;
                } | {
                    /** @enum {string} */
                    type: "input_file";
                    file_id?: string | null;
                    /** @description base64, or a data URL */
                    file_data?: string | null;
                    /** @description refused: the service fetches nothing */
                    file_url?: string | null;
                    filename?: string | null;
                    detail?: string | null;
                } | {
                    /** @enum {string} */
                    type: "input_image";
                    /** @description https, or a data URL */
                    image_url?: string | null;
                    file_id?: string | null;
                    /** @enum {string|null} */
                    detail?: "auto" | "low" | "high" | "original" | null;
                })[];
                id?: string | null;
                status?: string | null;
                phase?: string | null;
            } | {
                /** @enum {string} */
                type: "function_call";
                call_id: string;
                name: string;
                arguments: string;
                id?: string | null;
                status?: string | null;
                /** @description as the response had it: code that calls the function, or the model */
                caller?: {
                    /** @enum {string} */
                    type: "direct";
                } | {
                    /** @enum {string} */
                    type: "program";
                    caller_id: string;
                } | null;
            } | {
                /** @enum {string} */
                type: "function_call_output";
                call_id: string;
                /** @description or a string */
                output: ({
                    /** @enum {string} */
                    type: "text" | "input_text" | "output_text";
                    text: string;
                } | {
                    /** @enum {string} */
                    type: "input_file";
                    file_id?: string | null;
                    /** @description base64, or a data URL */
                    file_data?: string | null;
                    /** @description refused: the service fetches nothing */
                    file_url?: string | null;
                    filename?: string | null;
                    detail?: string | null;
                } | {
                    /** @enum {string} */
                    type: "input_image";
                    /** @description https, or a data URL */
                    image_url?: string | null;
                    file_id?: string | null;
                    /** @enum {string|null} */
                    detail?: "auto" | "low" | "high" | "original" | null;
                })[];
                id?: string | null;
                status?: string | null;
                caller?: {
                    /** @enum {string} */
                    type: "direct";
                } | {
                    /** @enum {string} */
                    type: "program";
                    caller_id: string;
                } | null;
            } | ({
                /** @enum {string} */
                type: "code_interpreter_call";
                id: string;
                status?: string | null;
                code?: string | null;
                container_id?: string | null;
                outputs?: unknown[] | null;
            } & {
                [key: string]: unknown;
            }) | ({
                /** @enum {string} */
                type: "reasoning";
                id?: string | null;
                encrypted_content?: string | null;
                content?: ({
                    text?: string | null;
                } & {
                    [key: string]: unknown;
                })[] | null;
            } & {
                [key: string]: unknown;
            }) | {
                /** @enum {string} */
                type: "item_reference";
                id: string;
            } | {
                /** @enum {string} */
                type: "other";
                item: {
                    type: string;
                } & {
                    [key: string]: unknown;
                };
            })[];
            model?: string | null;
            instructions?: string | null;
            tools?: ({
                /** @enum {string} */
                type: "code_interpreter";
                /**
                 * @description auto: when needed; on: before any answer; off: never
                 * @enum {string}
                 */
                mode?: "auto" | "on" | "off";
                container?: string | {
                    /** @enum {string} */
                    type: "auto";
                    file_ids?: string[] | null;
                    memory_limit?: string | null;
                    network_policy?: ({
                        /** @enum {string} */
                        type: "disabled";
                    } & {
                        [key: string]: unknown;
                    }) | null;
                };
                file_ids?: string[];
                /** @description labels of MCP servers of the operator, whose tools the code may call; the operator's choice when absent */
                mcp_servers?: string[];
                allowed_callers?: unknown;
            } | {
                /** @enum {string} */
                type: "function";
                name: string;
                description?: string | null;
                parameters?: {
                    [key: string]: unknown;
                } | null;
                strict?: boolean | null;
                /** @description `programmatic`: code may call it; `direct`: the model may call it, the default */
                allowed_callers?: ("direct" | "programmatic")[] | null;
            } | {
                /** @enum {string} */
                type: "programmatic_tool_calling";
            })[] | null;
            tool_choice?: ("none" | "auto" | "required") | {
                /** @enum {string} */
                type: "code_interpreter";
            } | {
                /** @enum {string} */
                type: "function";
                name: string;
            } | {
                /** @enum {string} */
                type: "custom";
                name: string;
            } | {
                /** @enum {string} */
                type: "allowed_tools";
                /** @enum {string} */
                mode: "auto" | "required";
                tools: ({
                    type: string;
                    name?: string;
                } & {
                    [key: string]: unknown;
                })[];
            } | null;
            previous_response_id?: string | null;
            /** @description `code_interpreter_call.outputs` adds the outputs of code in OpenAI's dialect, `reasoning.encrypted_content` reasoning that can be sent back */
            include?: ("code_interpreter_call.outputs" | "reasoning.encrypted_content" | "computer_call_output.output.image_url" | "file_search_call.results" | "message.input_image.image_url" | "message.output_text.logprobs" | "web_search_call.action.sources" | "web_search_call.results")[] | null;
            /** @description more than 16 become that, as the answer shows */
            max_tool_calls?: number | null;
            /** @description per turn of the model; more than 16384 become that, as the answer shows */
            max_output_tokens?: number | null;
            metadata?: {
                [key: string]: string;
            } | null;
            store?: boolean | null;
            background?: boolean | null;
            stream?: boolean | null;
            temperature?: number | null;
            top_p?: number | null;
            parallel_tool_calls?: boolean | null;
            assistant_id?: string | null;
            /** @description the key's own organization */
            organization_id?: string | null;
            /** @description its items come before the input; input and output are added to it */
            conversation?: string | {
                id: string;
            } | null;
            prompt?: null;
            stream_options?: unknown;
            text?: ({
                format?: ({
                    type: string;
                } & {
                    [key: string]: unknown;
                }) | null;
                verbosity?: string | null;
            } & {
                [key: string]: unknown;
            }) | null;
            reasoning?: ({
                effort?: string | null;
            } & {
                [key: string]: unknown;
            }) | null;
            /** @enum {string|null} */
            truncation?: "auto" | "disabled" | null;
            service_tier?: string | null;
            user?: string | null;
            safety_identifier?: string | null;
            prompt_cache_key?: string | null;
            top_logprobs?: number | null;
        };
        Assistant: {
            id: string;
            /** @enum {string} */
            object: "assistant";
            /** @description Unix time, seconds */
            created_at: number;
            name: string | null;
            model: string | null;
            instructions: string | null;
            tools: ({
                type: string;
            } & {
                [key: string]: unknown;
            })[];
            file_ids: string[];
            metadata: {
                [key: string]: string;
            };
        };
        AssistantRequest: {
            name?: string | null;
            model?: string | null;
            instructions?: string | null;
            tools?: ({
                /** @enum {string} */
                type: "code_interpreter";
                /**
                 * @description auto: when needed; on: before any answer; off: never
                 * @enum {string}
                 */
                mode?: "auto" | "on" | "off";
                container?: string | {
                    /** @enum {string} */
                    type: "auto";
                    file_ids?: string[] | null;
                    memory_limit?: string | null;
                    network_policy?: ({
                        /** @enum {string} */
                        type: "disabled";
                    } & {
                        [key: string]: unknown;
                    }) | null;
                };
                file_ids?: string[];
                /** @description labels of MCP servers of the operator, whose tools the code may call; the operator's choice when absent */
                mcp_servers?: string[];
                allowed_callers?: unknown;
            } | {
                /** @enum {string} */
                type: "function";
                name: string;
                description?: string | null;
                parameters?: {
                    [key: string]: unknown;
                } | null;
                strict?: boolean | null;
                /** @description `programmatic`: code may call it; `direct`: the model may call it, the default */
                allowed_callers?: ("direct" | "programmatic")[] | null;
            } | {
                /** @enum {string} */
                type: "programmatic_tool_calling";
            })[];
            file_ids?: string[];
            metadata?: {
                [key: string]: string;
            } | null;
        };
        Conversation: {
            id: string;
            /** @enum {string} */
            object: "conversation";
            /** @description Unix time, seconds */
            created_at: number;
            metadata: {
                [key: string]: string;
            };
        };
        Problem: {
            /** @description urn:code-interpreter:error:<code> */
            type: string;
            title: string;
            status: number;
            /** @description what to change, naming the field and its bound */
            detail: string;
            /** @description the request's id, as in X-Request-Id */
            instance: string;
            /** @description all fields at fault, the first of them as in `error.param` */
            errors?: {
                param: string;
                message: string;
            }[];
            /** @description trace id of the request, when tracing is on */
            trace_id?: string;
            /** @enum {string} */
            code: "malformed_json" | "malformed_request" | "missing_key" | "invalid_key" | "missing_scope" | "foreign_organization" | "origin_not_allowed" | "route_not_found" | "execution_not_found" | "file_not_found" | "container_not_found" | "response_not_found" | "assistant_not_found" | "conversation_not_found" | "item_not_found" | "model_not_found" | "key_not_found" | "method_not_allowed" | "context_length_exceeded" | "model_refused_request" | "execution_running" | "tool_call_not_waiting" | "keys_not_writable" | "container_expired" | "container_lost" | "response_running" | "body_too_large" | "file_too_large" | "unsupported_media_type" | "range_not_satisfiable" | "invalid_field" | "unknown_field" | "idempotency_mismatch" | "rate_limited" | "organization_queue_full" | "organization_containers_full" | "organization_storage_full" | "organization_requests_full" | "organization_responses_full" | "model_rate_limited" | "queue_full" | "queue_unavailable" | "queue_not_writable" | "storage_unavailable" | "responses_full" | "packages_unknown" | "model_not_configured" | "queue_deadline_passed" | "container_unavailable" | "sandbox_lost" | "worker_lost" | "shutting_down" | "model_unavailable" | "model_refused" | "model_broken_answer" | "code_not_run" | "code_not_allowed" | "execution_failed" | "model_timeout" | "response_timeout" | "not_supported" | "internal";
            /** @enum {boolean} */
            success: false;
            error: {
                message: string;
                type: string;
                /** @description the field at fault, as a path like `files.0.name` */
                param: string | null;
                /** @description the code above, or OpenAI's code for a model that failed: rate_limit_exceeded, context_length_exceeded, … */
                code: string;
                status: number;
            };
        };
        ProblemWithExecution: {
            /** @description urn:code-interpreter:error:<code> */
            type: string;
            title: string;
            status: number;
            /** @description what to change, naming the field and its bound */
            detail: string;
            /** @description the request's id, as in X-Request-Id */
            instance: string;
            /** @description all fields at fault, the first of them as in `error.param` */
            errors?: {
                param: string;
                message: string;
            }[];
            /** @description trace id of the request, when tracing is on */
            trace_id?: string;
            /** @enum {string} */
            code: "malformed_json" | "malformed_request" | "missing_key" | "invalid_key" | "missing_scope" | "foreign_organization" | "origin_not_allowed" | "route_not_found" | "execution_not_found" | "file_not_found" | "container_not_found" | "response_not_found" | "assistant_not_found" | "conversation_not_found" | "item_not_found" | "model_not_found" | "key_not_found" | "method_not_allowed" | "context_length_exceeded" | "model_refused_request" | "execution_running" | "tool_call_not_waiting" | "keys_not_writable" | "container_expired" | "container_lost" | "response_running" | "body_too_large" | "file_too_large" | "unsupported_media_type" | "range_not_satisfiable" | "invalid_field" | "unknown_field" | "idempotency_mismatch" | "rate_limited" | "organization_queue_full" | "organization_containers_full" | "organization_storage_full" | "organization_requests_full" | "organization_responses_full" | "model_rate_limited" | "queue_full" | "queue_unavailable" | "queue_not_writable" | "storage_unavailable" | "responses_full" | "packages_unknown" | "model_not_configured" | "queue_deadline_passed" | "container_unavailable" | "sandbox_lost" | "worker_lost" | "shutting_down" | "model_unavailable" | "model_refused" | "model_broken_answer" | "code_not_run" | "code_not_allowed" | "execution_failed" | "model_timeout" | "response_timeout" | "not_supported" | "internal";
            /** @enum {boolean} */
            success: false;
            error: {
                message: string;
                type: string;
                /** @description the field at fault, as a path like `files.0.name` */
                param: string | null;
                /** @description the code above, or OpenAI's code for a model that failed: rate_limit_exceeded, context_length_exceeded, … */
                code: string;
                status: number;
            };
            execution?: components["schemas"]["Execution"] & unknown;
        };
        ProblemWithResponse: {
            /** @description urn:code-interpreter:error:<code> */
            type: string;
            title: string;
            status: number;
            /** @description what to change, naming the field and its bound */
            detail: string;
            /** @description the request's id, as in X-Request-Id */
            instance: string;
            /** @description all fields at fault, the first of them as in `error.param` */
            errors?: {
                param: string;
                message: string;
            }[];
            /** @description trace id of the request, when tracing is on */
            trace_id?: string;
            /** @enum {string} */
            code: "malformed_json" | "malformed_request" | "missing_key" | "invalid_key" | "missing_scope" | "foreign_organization" | "origin_not_allowed" | "route_not_found" | "execution_not_found" | "file_not_found" | "container_not_found" | "response_not_found" | "assistant_not_found" | "conversation_not_found" | "item_not_found" | "model_not_found" | "key_not_found" | "method_not_allowed" | "context_length_exceeded" | "model_refused_request" | "execution_running" | "tool_call_not_waiting" | "keys_not_writable" | "container_expired" | "container_lost" | "response_running" | "body_too_large" | "file_too_large" | "unsupported_media_type" | "range_not_satisfiable" | "invalid_field" | "unknown_field" | "idempotency_mismatch" | "rate_limited" | "organization_queue_full" | "organization_containers_full" | "organization_storage_full" | "organization_requests_full" | "organization_responses_full" | "model_rate_limited" | "queue_full" | "queue_unavailable" | "queue_not_writable" | "storage_unavailable" | "responses_full" | "packages_unknown" | "model_not_configured" | "queue_deadline_passed" | "container_unavailable" | "sandbox_lost" | "worker_lost" | "shutting_down" | "model_unavailable" | "model_refused" | "model_broken_answer" | "code_not_run" | "code_not_allowed" | "execution_failed" | "model_timeout" | "response_timeout" | "not_supported" | "internal";
            /** @enum {boolean} */
            success: false;
            error: {
                message: string;
                type: string;
                /** @description the field at fault, as a path like `files.0.name` */
                param: string | null;
                /** @description the code above, or OpenAI's code for a model that failed: rate_limit_exceeded, context_length_exceeded, … */
                code: string;
                status: number;
            };
            response?: components["schemas"]["Response"] & unknown;
        };
        Model: {
            id: string;
            /** @enum {string} */
            object: "model";
            /** @description Unix time, seconds */
            created: number;
            owned_by: string;
        };
        Output: components["schemas"]["OutputText"] | components["schemas"]["OutputImage"] | components["schemas"]["OutputTable"] | components["schemas"]["OutputChart"] | components["schemas"]["OutputJson"] | components["schemas"]["OutputHtml"] | components["schemas"]["OutputLatex"] | components["schemas"]["OutputMarkdown"] | components["schemas"]["OutputResult"] | components["schemas"]["OutputFile"] | components["schemas"]["OutputError"];
        OutputText: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "text";
            /** @enum {string} */
            stream: "stdout" | "stderr";
            /** @description exactly what was written, newlines included */
            text: string;
            /** @description true when bytes that are not UTF-8 were replaced by U+FFFD */
            invalid_utf8?: boolean;
        };
        OutputImage: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "image";
            /** @enum {string} */
            mime_type: "image/png" | "image/jpeg" | "image/gif" | "image/webp" | "image/svg+xml";
            file_id: string;
            url: string;
            bytes: number;
            /** @description pixels; null when the format has none */
            width: number | null;
            /** @description pixels; null when the format has none */
            height: number | null;
            /**
             * @description `result` for the value of the last expression, `display` otherwise
             * @enum {string}
             */
            role: "result" | "display";
            /** @description Other MIME forms of the same value, by MIME type */
            data?: {
                [key: string]: string;
            };
        };
        OutputTable: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "table";
            columns: {
                name: string;
                dtype: string;
            }[];
            rows: (string | number | boolean | null)[][];
            /** @description rows of the value; `rows` may contain only the first ones */
            row_count: number;
            truncated: boolean;
            /**
             * @description `result` for the value of the last expression, `display` otherwise
             * @enum {string}
             */
            role: "result" | "display";
            /** @description Other MIME forms of the same value, by MIME type */
            data?: {
                [key: string]: string;
            };
        };
        OutputChart: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "chart";
            /** @enum {string} */
            kind: "line" | "scatter" | "bar" | "pie" | "box" | "histogram" | "area" | "heatmap" | "other";
            /** @description title of the axes; of the figure if these are its only axes and have none */
            title: string;
            /** @description title of the whole figure (`suptitle`) */
            figure_title: string;
            /** @description `polar`, `3d` and so on; absent for plain axes */
            projection?: string;
            axes: {
                x: {
                    label: string;
                    /** @description `linear`, `log` and so on; `date` for ISO dates, `category` for names */
                    scale: string;
                    /** @description positions of the ticks in view; ISO dates on a date axis */
                    ticks: (string | number | null)[];
                    /** @description as drawn, one per tick */
                    tick_labels: string[];
                    /**
                     * @description what the numbers of the series are in Python: JSON has one kind of number and writes 1.0 as 1
                     * @enum {string}
                     */
                    dtype?: "int" | "float";
                };
                y: {
                    label: string;
                    /** @description `linear`, `log` and so on; `date` for ISO dates, `category` for names */
                    scale: string;
                    /** @description positions of the ticks in view; ISO dates on a date axis */
                    ticks: (string | number | null)[];
                    /** @description as drawn, one per tick */
                    tick_labels: string[];
                    /**
                     * @description what the numbers of the series are in Python: JSON has one kind of number and writes 1.0 as 1
                     * @enum {string}
                     */
                    dtype?: "int" | "float";
                };
                z?: {
                    label: string;
                    /** @description `linear`, `log` and so on; `date` for ISO dates, `category` for names */
                    scale: string;
                    /** @description positions of the ticks in view; ISO dates on a date axis */
                    ticks: (string | number | null)[];
                    /** @description as drawn, one per tick */
                    tick_labels: string[];
                    /**
                     * @description what the numbers of the series are in Python: JSON has one kind of number and writes 1.0 as 1
                     * @enum {string}
                     */
                    dtype?: "int" | "float";
                };
            };
            series: {
                name: string | null;
                x?: (string | number | null)[];
                y?: (string | number | null)[];
                /** @description in three dimensions */
                z?: (string | number | null)[];
                /** @description areas: the other edge, `y` being the first */
                base?: (string | number | null)[];
                /** @description pie slices and box groups */
                labels?: string[];
                /** @description pie slices; histogram counts */
                values?: (string | number | null)[];
                /** @description histogram bin edges, one more than values */
                edges?: number[];
                boxes?: {
                    min: string | number | null;
                    q1: string | number | null;
                    median: string | number | null;
                    q3: string | number | null;
                    max: string | number | null;
                    outliers: (string | number | null)[];
                }[];
                /** @description heatmap cells, row by row */
                rows?: (string | number | null)[][];
                /** @description heatmap: borders of the columns */
                x_edges?: (string | number | null)[];
                /** @description heatmap: borders of the rows */
                y_edges?: (string | number | null)[];
                /** @description kind `other`: matplotlib's class of the shape; `x` and `y` are its corners */
                shape?: string;
            }[];
            truncated: boolean;
        };
        OutputJson: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "json";
            data?: unknown;
            /** @description the kind of JSON, as for a Plotly or Vega-Lite figure; absent for plain JSON */
            mime_type?: string;
            /**
             * @description `result` for the value of the last expression, `display` otherwise
             * @enum {string}
             */
            role: "result" | "display";
        };
        OutputHtml: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "html";
            text: string;
            /**
             * @description `result` for the value of the last expression, `display` otherwise
             * @enum {string}
             */
            role: "result" | "display";
            /** @description Other MIME forms of the same value, by MIME type */
            data?: {
                [key: string]: string;
            };
        };
        OutputLatex: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "latex";
            text: string;
            /**
             * @description `result` for the value of the last expression, `display` otherwise
             * @enum {string}
             */
            role: "result" | "display";
            /** @description Other MIME forms of the same value, by MIME type */
            data?: {
                [key: string]: string;
            };
        };
        OutputMarkdown: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "markdown";
            text: string;
            /**
             * @description `result` for the value of the last expression, `display` otherwise
             * @enum {string}
             */
            role: "result" | "display";
            /** @description Other MIME forms of the same value, by MIME type */
            data?: {
                [key: string]: string;
            };
        };
        OutputResult: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "result";
            /** @description the value's repr */
            text: string;
            /** @description a dict or list that JSON can hold unchanged; absent for all other values, and for large ones */
            json?: unknown;
        };
        OutputFile: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "file";
            file_id: string;
            url: string;
            /** @description path relative to the working folder */
            name: string;
            mime_type: string;
            bytes: number;
            sha256: string;
            /** @enum {string} */
            change: "created" | "modified";
        };
        OutputError: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "error";
            name: string;
            value: string;
            /** @description lines, without terminal colours */
            traceback: string[];
            /** @description line of the submitted code, from 1 */
            line: number | null;
        };
        EventStarted: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "execution.started";
            attempt: number;
        };
        EventOutput: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "execution.output";
            output: components["schemas"]["Output"];
        };
        EventToolCall: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "execution.tool_call";
            call_id: string;
            name: string;
            /** @description null once the call has been answered */
            arguments: {
                [key: string]: unknown;
            } | null;
        };
        EventToolOutput: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "execution.tool_output";
            call_id: string;
            /** @enum {string} */
            outcome: "output" | "error" | "timeout" | "failed" | "abandoned";
        };
        EventEnded: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "execution.ended";
            execution: {
                /** @enum {string} */
                type: "code_interpreter_call";
                id: string;
                /** @enum {string} */
                status: "queued" | "in_progress" | "requires_action" | "completed" | "failed" | "incomplete" | "cancelled" | "errored";
                /** @enum {string|null} */
                cause: "exception" | "exit" | "signal" | "timeout" | "memory" | "processes" | "disk" | "output" | "cancelled" | "sandbox_lost" | "worker_lost" | null;
                evidence: {
                    exit_code?: number;
                    signal?: string;
                    oom_kills?: number;
                    memory_peak_bytes?: number;
                    processes_refused?: number;
                    /** @description name of the limit that was reached */
                    limit?: string;
                    limit_value?: number;
                    /** @description after an import of a missing module: the nearest installed one, or where the list is */
                    suggestion?: string;
                    /** @description in a container: whether its variables still exist */
                    session_alive?: boolean;
                    /**
                     * @description in a container: the code ended its process, and the variables are those from before it; threads and sockets are gone, files are as the code left them
                     * @enum {string}
                     */
                    restored?: "before_cell";
                };
                code: string;
                container_id: string | null;
                outputs: components["schemas"]["Output"][];
                /** @description null until it has ended */
                usage: {
                    /** @description from acceptance until a worker took it */
                    queue_ms: number;
                    /** @description until the worker had a sandbox */
                    acquire_ms: number;
                    /** @description running the code */
                    run_ms: number;
                    /** @description collecting files from the sandbox */
                    collect_ms: number;
                    cpu_ms: number;
                    memory_peak_bytes: number;
                    /** @description written; the result may contain only a part */
                    stdout_bytes: number;
                    /** @description written; the result may contain only a part */
                    stderr_bytes: number;
                    file_bytes: number;
                    /** @description the sandbox came ready from the pool */
                    warm: boolean;
                    /**
                     * @description what created the sandbox; null when there was none
                     * @enum {string|null}
                     */
                    engine: "docker" | "oci" | null;
                } | null;
                truncated: {
                    stdout: boolean;
                    stderr: boolean;
                    outputs: boolean;
                    files: boolean;
                };
                /** @description files that were left out, each with the reason */
                skipped_files: {
                    name: string;
                    reason: string;
                }[];
                /** @description with the status `requires_action`: the calls that wait for an answer */
                pending_calls?: {
                    call_id: string;
                    name: string;
                    /** @description checked against the tool's schema */
                    arguments: {
                        [key: string]: unknown;
                    };
                }[];
                /** @description calls of the code to its caller's tools, in order; with tools only */
                tool_calls?: {
                    call_id: string;
                    name: string;
                    /** @description from the start of the code, milliseconds */
                    started_ms: number;
                    /** @description until the answer, milliseconds */
                    duration_ms: number;
                    arguments_bytes: number;
                    output_bytes: number;
                    /** @enum {string} */
                    outcome: "output" | "error" | "timeout" | "failed" | "abandoned";
                }[];
                /**
                 * @description null until it has ended
                 * @enum {string|null}
                 */
                outcome: "never_started" | "ran" | "ran_partly" | null;
                retry_safe: boolean;
                /** @description 0 until a worker took it */
                attempt: number;
                /** @description Unix time, seconds; the fraction has milliseconds */
                created_at: number;
                /** @description Unix time, seconds; the fraction has milliseconds */
                started_at: number | null;
                /** @description Unix time, seconds; the fraction has milliseconds */
                completed_at: number | null;
                /** @description Unix time, seconds; the fraction has milliseconds */
                expires_at: number;
                metadata: {
                    [key: string]: string;
                };
                /** @description trace id, when tracing is on */
                trace_id?: string;
            };
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
