//! The words between services: generated gRPC code, one package per service.
//!
//! The sources are under `proto/`; `build.rs` compiles them with protox. A new
//! method is a line in a `.proto` file, a use-case in its service and a
//! translation in that service's `rpc.rs`.

/// Device events and the rules over them.
pub mod activity {
    /// `activity.v1`, see `proto/activity/v1/activity.proto`.
    #[expect(clippy::pedantic, clippy::allow_attributes, missing_docs, reason = "generated code")]
    pub mod v1 {
        tonic::include_proto!("activity.v1");
    }
}

/// Accounts, sessions and saga participants.
pub mod auth {
    /// `auth.v1`, see `proto/auth/v1/auth.proto`.
    #[expect(clippy::pedantic, clippy::allow_attributes, missing_docs, reason = "generated code")]
    pub mod v1 {
        tonic::include_proto!("auth.v1");
    }
}

/// Calendars, members, events, the change log.
pub mod calendar {
    /// `calendar.v1`, see `proto/calendar/v1/calendar.proto`.
    #[expect(clippy::pedantic, clippy::allow_attributes, missing_docs, reason = "generated code")]
    pub mod v1 {
        tonic::include_proto!("calendar.v1");
    }
}

/// Timers, webhooks, reminders, notifications.
pub mod notification {
    /// `notification.v1`, see `proto/notification/v1/notification.proto`.
    #[expect(clippy::pedantic, clippy::allow_attributes, missing_docs, reason = "generated code")]
    pub mod v1 {
        tonic::include_proto!("notification.v1");
    }
}

/// All descriptors, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Every method as `package.Service/Method`, sorted.
pub const METHODS: &[&str] = include!(concat!(env!("OUT_DIR"), "/methods.in"));
