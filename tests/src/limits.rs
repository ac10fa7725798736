//! Rate limits out of the way of tests that are not about them.

/// The settings that raise every limit beyond what a test can send.
pub fn raised() -> impl Iterator<Item = (&'static str, String)> {
    const NAMES: [&str; 11] = [
        "LIMIT_REGISTER",
        "LIMIT_LOGIN",
        "LIMIT_PASSWORD",
        "LIMIT_DELETE_ACCOUNT",
        "LIMIT_CREATE_CALENDAR",
        "LIMIT_GET_EVENTS",
        "LIMIT_LIST_EVENTS",
        "LIMIT_LIST_CHANGES",
        "LIMIT_LIST_MESSAGES",
        "LIMIT_DEFAULT",
        "LIMIT_OPEN",
    ];
    NAMES.into_iter().map(|name| (name, "1000000".to_owned()))
}
