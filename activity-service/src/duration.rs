//! Durations as an operator writes them: `30 days`, `15 minutes`, `1h 30m`.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// Reads a duration of at least a second; a day has 24 hours.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let unreadable = || format!("`{text}` is not a duration such as `30 days` or `15 minutes`");
    let span: Span = text.trim().parse().map_err(|_| unreadable())?;
    let exact = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| unreadable())?;
    let duration = Duration::try_from(exact).map_err(|_| unreadable())?;
    if duration < Duration::from_secs(1) { Err(unreadable()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_minutes_and_sums_are_durations() {
        assert_eq!(duration("30 days"), Ok(Duration::from_hours(720)));
        assert_eq!(duration("15 minutes"), Ok(Duration::from_mins(15)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_mins(90)));
        for text in ["", "30", "soon", "0 s", "-1 day", "1 month"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
