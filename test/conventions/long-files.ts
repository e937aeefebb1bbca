// Source files that are allowed to be longer than 400 lines, each with the reason why it is not two.

export const longFiles: Readonly<Record<string, string>> = {};
