// Certificates by name, and their sources.

export * from './acme/index.ts';
export * from './certificate-names.ts';
export * from './certificate-set.ts';
export * from './challenge-board.ts';
export * from './check-certificate.ts';
export * from './file-source.ts';
export * from './name-table.ts';
export * from './ocsp/index.ts';
export * from './self-signed-source.ts';
export * from './tls-material.ts';
export * from './variable-source.ts';
export * from './x509/index.ts';
