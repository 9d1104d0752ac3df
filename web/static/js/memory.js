// The last result of a search, kept in this tab so that "back" shows it again.

const KEY = "facesearch:result";

export function keepResult(token, html) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ token, html }));
  } catch {
    forgetResult(); // it is too large to be kept: "back" then shows an empty search
  }
}

export function keptResult(token) {
  const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  return token && kept?.token === token ? kept.html : null;
}

export function forgetResult() {
  sessionStorage.removeItem(KEY);
}
