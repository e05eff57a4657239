// Where the server and the specification differ, each with its reason. What is not here and differs fails by name.

// Routes that are not in the specification. Those under "unstable" need not be here.
export const notInTheSpecification = {
  "POST /_matrix/client/v4/sync": "sliding sync (MSC4186): accepted, and not released yet",
};

// Methods of paths that are served.
export const notServed = {
  "POST /_matrix/client/v3/room_keys/version": "there is no key backup: clients are told so by the GET",
};

// Routes to which no call succeeds.
export const neverSucceeds = {
  "GET /_matrix/client/v3/room_keys/version": "there is no key backup",
  "GET /_matrix/client/r0/room_keys/version": "there is no key backup",
};

// What the definitions ask for and makes no sense here: { fault: a pattern of what is said about it, reason }. A call has to show it.
export const faults = [];

// Endpoints of clients that need no access token.
export const open = ["POST /register", "GET /login", "POST /login", "POST /refresh", "GET /_matrix/client/versions"];

// Endpoints that read no body, though their method could have one.
export const withoutBody = ["POST /logout", "POST /logout/all"];
