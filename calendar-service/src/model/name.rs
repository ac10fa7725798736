//! Names and texts: what is accepted, how it is kept, when two are the same.

use unicode_normalization::UnicodeNormalization as _;

/// A name as it is kept: trimmed, NFC, 1 to 100 characters, no control characters.
pub fn read_name(text: &str) -> Result<String, &'static str> {
    let name: String = text.trim().nfc().collect();
    let length = name.chars().count();
    if length == 0 || length > 100 {
        return Err("must have 1 to 100 characters");
    }
    if name.chars().any(char::is_control) {
        return Err("must not contain control characters");
    }
    Ok(name)
}

/// The same name in another case has the same key. Upper case first: only then
/// do 'ß' and 'SS', or the three sigmas, meet. U+0000, which PostgreSQL cannot
/// hold, becomes U+0001, which no name has: such a key is asked for and not found.
pub fn fold(name: &str) -> String {
    name.trim().replace('\0', "\u{1}").nfc().collect::<String>().to_uppercase().to_lowercase().nfc().collect()
}

/// A text of several lines as it is kept: line ends are `\n`, no other control
/// characters but tabs, at most `longest` characters.
pub fn read_text(text: &str, longest: usize) -> Result<String, String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    if text.chars().count() > longest {
        return Err(format!("must have at most {longest} characters"));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(text)
}

/// `#rrggbb` in lower case, or empty.
pub fn read_color(text: &str) -> Result<String, &'static str> {
    let is_color = |text: &str| {
        text.strip_prefix('#')
            .is_some_and(|hex| hex.len() == 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    if text.is_empty() || is_color(text) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("must be a colour such as #3366cc, or empty")
    }
}

/// Reminders, minutes before the start: at most 20, each at most a year; sorted,
/// each once.
pub fn read_reminders(minutes: &[u32]) -> Result<Vec<u32>, &'static str> {
    let mut minutes = minutes.to_vec();
    minutes.sort_unstable();
    minutes.dedup();
    if minutes.len() > 20 {
        return Err("must be at most 20");
    }
    if minutes.last().is_some_and(|longest| *longest > 366 * 24 * 60) {
        return Err("must be at most a year before the start, 527040 minutes");
    }
    Ok(minutes)
}

/// A calendar's password: 1 to 128 characters, as typed.
pub fn check_password(text: &str) -> Result<(), &'static str> {
    if (1..=128).contains(&text.chars().count()) { Ok(()) } else { Err("must have 1 to 128 characters") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_trimmed_composed_and_bounded() {
        assert_eq!(read_name("  Cafe\u{301} \n").unwrap(), "Café");
        assert_eq!(read_name(&"é".repeat(100)).unwrap().chars().count(), 100);
        for bad in ["", "   ", "a\u{0}b", "a\nb", &"x".repeat(101)] {
            assert!(read_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn case_does_not_make_another_name() {
        for (one, other) in
            [("Familie", "FAMILIE"), ("Straße", "STRASSE"), ("ΟΔΟΣ", "οδος"), ("e\u{301}", "É")]
        {
            assert_eq!(fold(one), fold(other));
        }
        assert_ne!(fold("a"), fold("b"));
        assert!(!fold("a\0b").contains('\0') && fold("a\0b") != fold("ab"));
    }

    #[test]
    fn colours_and_texts() {
        assert_eq!(read_color("#AbCdEf").unwrap(), "#abcdef");
        assert!(
            read_color("red").is_err() && read_color("#12345").is_err() && read_color("#12345g").is_err()
        );
        assert_eq!(read_text("a\r\nb\rc\t", 10).unwrap(), "a\nb\nc\t");
        assert!(read_text("\u{7}", 10).is_err() && read_text("12345678901", 10).is_err());
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(name in "\\PC{1,40}") {
            prop_assert_eq!(fold(&fold(&name)), fold(&name));
        }
    }
}
