//! Reminders as VALARMs (RFC 5545, 3.6.6).
//!
//! A reminder of ours displays something whole minutes before the start. Every
//! other alarm (a sound, an e-mail, an absolute time) is kept and not counted.

use super::{
    content::{Component, Item, Line},
    text::escape,
};

/// The property of an event that shall have no reminders, whatever its
/// calendar's default. Without it, and without an alarm of ours, that default holds.
pub(super) const NO_REMINDERS: &str = "X-SHARED-CALENDAR-NO-REMINDERS";

/// The minutes before the start at which this alarm of ours displays something.
pub(super) fn minutes(alarm: &Component) -> Option<u32> {
    let is_ours = alarm.is("VALARM") && alarm.line("ACTION")?.value.eq_ignore_ascii_case("DISPLAY");
    let trigger = alarm.line("TRIGGER").filter(|_| is_ours)?;
    let from_start = trigger.parameter("RELATED").is_none_or(|related| related.eq_ignore_ascii_case("START"));
    let is_duration = trigger.parameter("VALUE").is_none_or(|value| value.eq_ignore_ascii_case("DURATION"));
    let before = -seconds(&trigger.value)?;
    (from_start && is_duration && before >= 0 && before % 60 == 0).then(|| u32::try_from(before / 60).ok())?
}

/// An alarm that displays the event's name.
pub(super) fn reminder(minutes: u32, name: &str) -> Component {
    let items = vec![
        Item::Line(Line::new("ACTION", "", "DISPLAY")),
        Item::Line(Line::new("DESCRIPTION", "", escape(name))),
        Item::Line(Line::new("TRIGGER", "", format!("-PT{minutes}M"))),
    ];
    Component::new("VALARM".to_owned(), items)
}

/// A DURATION (3.3.6) in seconds.
pub(super) fn seconds(duration: &str) -> Option<i64> {
    let (sign, rest) = match duration.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, duration.strip_prefix('+').unwrap_or(duration)),
    };
    let mut total = 0_i64;
    let mut number: Option<i64> = None;
    let mut in_time = false;
    for c in rest.strip_prefix('P')?.chars() {
        let unit = match (c, in_time) {
            ('0'..='9', _) => {
                let digit = i64::from(c as u8 - b'0');
                number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
                continue;
            }
            ('T', false) if number.is_none() => {
                in_time = true;
                continue;
            }
            ('W', false) => 7 * 86_400,
            ('D', false) => 86_400,
            ('H', true) => 3600,
            ('M', true) => 60,
            ('S', true) => 1,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    number.is_none().then_some(sign * total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, expected) in [
            ("-PT15M", Some(-900)),
            ("PT0S", Some(0)),
            ("-P1DT2H3M4S", Some(-93_784)),
            ("+P2W", Some(1_209_600)),
            ("P15M", None),
            ("PT15", None),
            ("15M", None),
            ("PT99999999999999999999S", None),
            ("", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn only_displays_before_the_start_are_reminders() {
        assert_eq!(minutes(&reminder(90, "a;b")), Some(90));
        let alarm = |lines: &str| Component::parse(&format!("BEGIN:VALARM\n{lines}\nEND:VALARM")).unwrap();
        assert_eq!(minutes(&alarm("ACTION:DISPLAY\nTRIGGER:-P1D")), Some(1440));
        assert_eq!(minutes(&alarm("ACTION:AUDIO\nTRIGGER:-PT5M")), None);
        assert_eq!(minutes(&alarm("ACTION:DISPLAY\nTRIGGER;RELATED=END:-PT5M")), None);
        assert_eq!(minutes(&alarm("ACTION:DISPLAY\nTRIGGER:PT5M")), None);
        assert_eq!(minutes(&alarm("ACTION:DISPLAY\nTRIGGER;VALUE=DATE-TIME:20260301T100000Z")), None);
    }
}
