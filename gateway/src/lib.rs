//! The one door: REST, tokens, sessions, limits, balancing, socket tunnel, OpenAPI.
