// Certificates from authorities, by ACME.

export * from './acme-source.ts';
export * from './dns-hook.ts';
