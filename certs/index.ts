// Certificates by name, and their sources.

export * from './challenge-board.ts';
export * from './tls-material.ts';
export * from './x509/index.ts';
