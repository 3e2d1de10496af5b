/** Examples of the OpenAPI document. A test validates each one against its schema. */
export const containerExample = {
  id: "cntr_4x9p2m7k0q8r5t1v6w3y2z8a",
  object: "container",
  created_at: 1_767_225_600,
  last_active_at: 1_767_225_660,
  name: "analysis",
  status: "active",
  expires_after: { anchor: "last_active_at", minutes: 20 },
  memory_limit: "512m",
  network_policy: { type: "disabled" },
  on_killed_cell: "restore",
  restored_from: null,
};

export const containerFileExample = {
  id: "file_7h3n9k2m5p8q1r4t6v0w3x9z",
  object: "container.file",
  container_id: "cntr_4x9p2m7k0q8r5t1v6w3y2z8a",
  created_at: 1_767_225_600,
  bytes: 2048,
  path: "/mnt/data/sales.csv",
  source: "user",
};
