// Our account at one authority (RFC 8555 §7.3): its key and URL outlive a restart, and are shared by edges that share a store.

import type { Store } from '../../src/ports/index.ts';
import { accountKey, signBinding, type AccountKey } from './jws.ts';
import { AcmeProblem, type ProblemDocument } from './problem.ts';
import type { Answer, Transport } from './transport.ts';

/** External account binding: who we are to the authority already. */
export interface Binding {
  readonly kid: string;
  /** base64url. Never logged, never shown. */
  readonly key: string;
}

export interface Account {
  readonly key: AccountKey;
  readonly url: string;
  post(url: string, payload: object | null, signal: AbortSignal): Promise<Answer>;
}

export interface AccountOptions {
  readonly transport: Transport;
  readonly store: Store;
  /** Of the store. */
  readonly storeKey: string;
  readonly email: string | null;
  readonly binding: Binding | null;
}

interface Kept {
  readonly key: string;
  /** '': the authority does not know the key yet. */
  readonly url: string;
  readonly email: string | null;
}

/** The kept account, or a new one. Rejects as the transport does, and where the store cannot be used: a key that is not kept is not used. */
export async function openAccount(options: AccountOptions, signal: AbortSignal): Promise<Account> {
  const kept = await readKept(options);
  if (kept !== null && kept.url !== '') {
    const account = accountOf(options.transport, kept);
    if (kept.email === options.email) return account;
    const isKnown = await changeContact(account, options, signal);
    if (isKnown) {
      await write(options, { ...kept, email: options.email });
      return account;
    }
  }
  return register(options, kept, signal);
}

/** The authority no longer knows the account; its key is registered anew at the next opening. */
export async function forgetAccount(options: AccountOptions): Promise<void> {
  const kept = await readKept(options);
  if (kept !== null) await write(options, { ...kept, url: '' });
}

async function register(options: AccountOptions, kept: Kept | null, signal: AbortSignal): Promise<Account> {
  const { transport, binding, email } = options;
  const { newAccount, externalAccountRequired } = await transport.directory(signal);
  if (externalAccountRequired && binding === null) throw new AcmeProblem(noBinding, 0);
  const key = accountKey(kept?.key);
  // Before the authority hears of it: a key that is lost on the way would leave an account that nobody can use.
  if (kept === null) await write(options, { key: key.pem, url: '', email });
  const payload = {
    termsOfServiceAgreed: true,
    ...contactOf(email),
    ...(binding === null ? {} : { externalAccountBinding: signBinding(key, binding.kid, binding.key, newAccount) }),
  };
  const { location } = await transport.post(newAccount, payload, { key, kid: null }, signal);
  const fresh = { key: key.pem, url: location, email };
  await write(options, fresh);
  return accountOf(transport, fresh);
}

const noBinding: ProblemDocument = {
  type: 'externalAccountRequired',
  detail: 'the authority takes accounts that it has given a key alone',
  status: 401,
};

async function changeContact(account: Account, { email }: AccountOptions, signal: AbortSignal): Promise<boolean> {
  try {
    await account.post(account.url, { contact: [], ...contactOf(email) }, signal);
    return true;
  } catch (error) {
    if (isUnknownAccount(error)) return false;
    throw error;
  }
}

export const isUnknownAccount = (error: unknown): boolean =>
  error instanceof AcmeProblem && error.problem.type === 'accountDoesNotExist';

function accountOf(transport: Transport, { key: pem, url }: Kept): Account {
  const key = accountKey(pem);
  return { key, url, post: (target, payload, signal) => transport.post(target, payload, { key, kid: url }, signal) };
}

const contactOf = (email: string | null): { readonly contact?: readonly string[] } =>
  email === null ? {} : { contact: [`mailto:${email}`] };

async function readKept({ store, storeKey }: AccountOptions): Promise<Kept | null> {
  const bytes = await store.read(storeKey);
  if (bytes === null) return null;
  const { key, url, email } = JSON.parse(Buffer.from(bytes).toString()) as Partial<Kept>;
  if (typeof key !== 'string') throw new Error(`the store's ${storeKey} holds no account`);
  return { key, url: url ?? '', email: email ?? null };
}

const write = ({ store, storeKey }: AccountOptions, kept: Kept): Promise<void> =>
  store.write(storeKey, Buffer.from(JSON.stringify(kept)));
