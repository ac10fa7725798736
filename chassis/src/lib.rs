//! What every service stands on: clock, settings, telemetry, lifecycle, faults, tokens, postgres.
