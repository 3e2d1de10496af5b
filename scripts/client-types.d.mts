export const typesFile: string;
export function clientTypes(document: object): Promise<string>;
