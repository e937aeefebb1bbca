// Answers of OCSP responders, for stapling.

export * from './staple-keeper.ts';
