const methods = new Set(["GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"]);

/** Node accepts some thirty methods. Only common ones get their own label. */
export function labelOfMethod(method: string): string {
  return methods.has(method) ? method : "other";
}

export function labelOfRoute(route: { path?: unknown } | undefined): string {
  return typeof route?.path === "string" ? route.path : "none";
}
