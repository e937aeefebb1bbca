// Writing X.509: certificates, and the elements that requests for them are made of.

export * from './der.ts';
export * from './make-certificate.ts';
export * from './make-request.ts';
export * from './read-der.ts';
