export const typesFile: string;
export function clientTypes(document: object): Promise<string>;
export const pythonTypesFile: string;
/** The text of that file for an OpenAPI document. Installs the generator when it is missing. */
export function pythonClientTypes(document: object): Promise<string>;
