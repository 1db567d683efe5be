// Passkeys in this browser: whether they work here, making one, using one (WebAuthn Level 3).

/** @param {string} text */
function bytes(text) {
  const raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(raw, (char) => char.charCodeAt(0));
}

/** @param {ArrayBuffer | null | undefined} buffer */
function text(buffer) {
  if (!buffer) return undefined;
  const raw = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(raw).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** @param {{id: string}[] | undefined} list */
function credentials(list) {
  return (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));
}

/**
 * Why passkeys do not work on this page: "" when they do.
 * @returns {"" | "number" | "insecure" | "old"}
 */
export function passkeysMissing() {
  const host = location.hostname;
  if (/^\d+\.\d+\.\d+\.\d+$/.test(host) || host.startsWith("[")) return "number";
  if (!window.isSecureContext) return "insecure";
  return window.PublicKeyCredential && navigator.credentials ? "" : "old";
}

/** This page on this machine by its name, where passkeys work; "" when it is on another machine. */
export function pageByName() {
  if (!["127.0.0.1", "[::1]"].includes(location.hostname)) return "";
  return `${location.protocol}//localhost${location.port ? `:${location.port}` : ""}${location.pathname}${location.hash}`;
}

/**
 * Has a passkey made. Rejects with NotAllowedError when nobody wanted to.
 * @param {any} options PublicKeyCredentialCreationOptionsJSON
 */
export async function makePasskey(options) {
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: credentials(options.excludeCredentials),
  };
  const made = /** @type {PublicKeyCredential} */ (await navigator.credentials.create({ publicKey }));
  const response = /** @type {AuthenticatorAttestationResponse} */ (made.response);
  return whole(made, {
    clientDataJSON: text(response.clientDataJSON),
    attestationObject: text(response.attestationObject),
    transports: response.getTransports?.() ?? [],
  });
}

/**
 * Has a passkey used. Rejects with NotAllowedError when nobody wanted to, or there is none.
 * @param {any} options PublicKeyCredentialRequestOptionsJSON
 */
export async function usePasskey(options) {
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    allowCredentials: credentials(options.allowCredentials),
  };
  const used = /** @type {PublicKeyCredential} */ (await navigator.credentials.get({ publicKey }));
  const response = /** @type {AuthenticatorAssertionResponse} */ (used.response);
  return whole(used, {
    clientDataJSON: text(response.clientDataJSON),
    authenticatorData: text(response.authenticatorData),
    signature: text(response.signature),
    userHandle: text(response.userHandle),
  });
}

/** @param {PublicKeyCredential} credential @param {Record<string, unknown>} response */
function whole(credential, response) {
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response, clientExtensionResults: {} };
}

/** Whether somebody only closed the browser's question. @param {unknown} error */
export function declined(error) {
  return error instanceof DOMException && ["NotAllowedError", "AbortError"].includes(error.name);
}

/** Whether this device has a passkey of this account already. @param {unknown} error */
export function hasOne(error) {
  return error instanceof DOMException && error.name === "InvalidStateError";
}

/** What a passkey made here is called, to know it again. */
export function deviceName() {
  const agent = navigator.userAgent;
  for (const [mark, name] of /** @type {const} */ ([
    ["iPhone", "iPhone"], ["iPad", "iPad"], ["Android", "Android"], ["CrOS", "ChromeOS"],
    ["Windows", "Windows"], ["Mac", "macOS"], ["Linux", "Linux"],
  ])) {
    if (agent.includes(mark)) return name;
  }
  return "Passkey";
}
