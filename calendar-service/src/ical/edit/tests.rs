use proptest::prelude::*;

use super::{super::columns, *};

const AT: Timestamp = Timestamp::UNIX_EPOCH;

fn stamp() -> Stamp {
    Stamp { event_id: Uuid::from_u128(7), organizer: Uuid::from_u128(1), at: AT }
}

fn zone() -> impl Strategy<Value = Zone> {
    let names =
        vec!["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "Africa/Cairo"];
    prop::sample::select(names).prop_map(|name| Zone::find(name).unwrap())
}

fn when() -> impl Strategy<Value = When> {
    let timed = (-62_135_596_800_i64..=253_402_300_799, 0_i64..40_000_000, zone()).prop_map(
        |(start, length, zone)| {
            let end = (start + length).min(253_402_300_799);
            When::Timed { start: Instant::from_second(start), end: Instant::from_second(end), zone }
        },
    );
    let days = (-719_162_i32..2_932_896, 0_i32..400, zone()).prop_map(|(first, length, zone)| {
        let first = Date::constant(1970, 1, 1).checked_add(first.days()).unwrap();
        When::Days { first, last: first.checked_add(length.days()).unwrap_or(Date::MAX), zone }
    });
    prop_oneof![3 => timed, 1 => days]
}

fn content() -> impl Strategy<Value = EventContent> {
    let reminders = prop::option::of(prop::collection::btree_set(0_u32..50_000, 0..5));
    let participants = prop::collection::btree_set(1_u128..30, 1..6);
    ("[^\\p{Z}\\pC]\\PC{0,99}", when(), "[\\PC\n\t]{0,60}", "[\\PC\n\t]{0,300}", reminders, participants)
        .prop_map(|(name, when, location, description, reminders, participants)| EventContent {
            name,
            when,
            location,
            description,
            reminders: reminders.map(|minutes| minutes.into_iter().collect()),
            participants: participants.into_iter().map(Uuid::from_u128).collect(),
        })
}

/// What the columns say in the words of the content.
fn indexed(ical: &str) -> EventContent {
    let columns = columns(ical).unwrap();
    let mut participants = columns.participants;
    participants.sort_unstable();
    EventContent {
        name: columns.summary,
        when: columns.when,
        location: columns.location,
        description: columns.description,
        reminders: columns.reminders,
        participants,
    }
}

/// Lines that we do not model, at every level.
const FOREIGN: [&str; 8] = [
    "X-APPLE-TRAVEL;ROUTING=\"CAR:;,\";X-Q=1:PT30M",
    "CATEGORIES:one,two\\,three",
    "CATEGORIES:four",
    "ATTENDEE;CN=\"Doe; Jane\";PARTSTAT=ACCEPTED:mailto:jane@example.org",
    "ATTACH;FMTTYPE=text/plain;ENCODING=BASE64;VALUE=BINARY:TG9yZW0=",
    "GEO:37.386013;-122.082932",
    "STATUS:TENTATIVE",
    "X-LONG:äöü äöü äöü äöü äöü äöü äöü äöü äöü äöü äöü äöü äöü äöü äöü äöü äöü äöü äöü",
];

fn with_foreign(ical: &str) -> String {
    let lines = FOREIGN.join("\r\n");
    let alarm = "BEGIN:VALARM\r\nACTION:AUDIO\r\nTRIGGER:-PT7M\r\nX-IN-ALARM:1\r\nEND:VALARM";
    let other = "BEGIN:X-OTHER\r\nX-INSIDE:1\r\nEND:X-OTHER";
    ical.replace("BEGIN:VEVENT\r\n", &format!("BEGIN:VEVENT\r\n{lines}\r\n{alarm}\r\n"))
        .replace("END:VCALENDAR", &format!("{other}\r\nEND:VCALENDAR"))
}

proptest! {
    #[test]
    fn what_is_composed_is_what_is_indexed(content in content()) {
        let ical = compose(&content, stamp());
        prop_assert!(ical.split("\r\n").all(|line| line.len() <= 75));
        prop_assert_eq!(indexed(&ical), content);
    }

    #[test]
    fn an_edit_says_the_new_content_and_keeps_what_we_do_not_model(old in content(), new in content()) {
        let ical = with_foreign(&compose(&old, stamp()));
        prop_assert_eq!(indexed(&ical), old);
        let edited = edit(&ical, &new, AT).unwrap();
        prop_assert_eq!(indexed(&edited), new);
        prop_assert_eq!(columns(&edited).unwrap().sequence, 1);
        let lines = super::super::text::unfold(&edited);
        for line in FOREIGN.into_iter().chain(["X-IN-ALARM:1", "X-INSIDE:1", "TRIGGER:-PT7M"]) {
            prop_assert!(lines.iter().any(|kept| kept == line), "{} is lost", line);
        }
    }

    #[test]
    fn an_edit_that_changes_nothing_leaves_every_line_but_the_stamps(content in content()) {
        let ical = with_foreign(&compose(&content, stamp()));
        let edited = edit(&ical, &content, AT).unwrap();
        prop_assert_eq!(Component::parse(&edited.replace("SEQUENCE:1", "SEQUENCE:0")), Component::parse(&ical));
    }

    #[test]
    fn an_independent_reader_understands_us(content in content()) {
        let ical = compose(&content, stamp());
        let unfolded = icalendar::parser::unfold(&ical);
        let calendar = icalendar::parser::read_calendar(&unfolded).unwrap();
        let event = calendar.components.iter().find(|component| component.name == "VEVENT").unwrap();
        let text = |name: &str| event.find_prop(name).map(|p| p.val.as_ref().to_owned()).unwrap_or_default();
        prop_assert_eq!(text("UID"), Uuid::from_u128(7).to_string());
        prop_assert_eq!(text("SUMMARY"), content.name);
        prop_assert_eq!(event.components.len(), content.reminders.unwrap_or_default().len());
    }
}

#[test]
fn an_object_reads_like_this() {
    let zone = Zone::find("Europe/Berlin").unwrap();
    let content = EventContent {
        name: "Dinner; with, friends".to_owned(),
        when: When::Timed {
            start: Instant::from_second(1_772_388_000),
            end: Instant::from_second(1_772_391_600),
            zone,
        },
        location: String::new(),
        description: "two\nlines".to_owned(),
        reminders: Some(vec![15]),
        participants: vec![Uuid::from_u128(1)],
    };
    let expected = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Shared Calendar//calendar-service//EN\r\n\
        X-WR-TIMEZONE:Europe/Berlin\r\nBEGIN:VEVENT\r\nUID:00000000-0000-0000-0000-000000000007\r\n\
        DTSTAMP:19700101T000000Z\r\nCREATED:19700101T000000Z\r\nLAST-MODIFIED:19700101T000000Z\r\nSEQUENCE:0\r\n\
        SUMMARY:Dinner\\; with\\, friends\r\nORGANIZER:urn:uuid:00000000-0000-0000-0000-000000000001\r\n\
        DESCRIPTION:two\\nlines\r\nDTSTART;TZID=Europe/Berlin:20260301T190000\r\n\
        DTEND;TZID=Europe/Berlin:20260301T200000\r\nATTENDEE:urn:uuid:00000000-0000-0000-0000-000000000001\r\n\
        BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:Dinner\\; with\\, friends\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\n\
        END:VEVENT\r\nEND:VCALENDAR\r\n";
    assert_eq!(compose(&content, stamp()), expected);
}

#[test]
fn the_second_one_of_a_repeated_hour_is_kept() {
    let zone = Zone::find("Europe/Berlin").unwrap();
    let second = super::super::super::model::read_date_time("2026-10-25T02:30:00+01:00", &zone).unwrap();
    let when = When::Timed { start: second, end: second, zone };
    let content = EventContent {
        name: "x".to_owned(),
        when: when.clone(),
        location: String::new(),
        description: String::new(),
        reminders: None,
        participants: Vec::new(),
    };
    assert_eq!(columns(&compose(&content, stamp())).unwrap().when, when);
}

#[test]
fn to_have_no_reminders_is_not_to_name_any() {
    let named = |reminders: Option<Vec<u32>>| {
        let content = EventContent {
            name: "x".to_owned(),
            when: When::Days {
                first: Date::constant(2030, 5, 1),
                last: Date::constant(2030, 5, 1),
                zone: Zone::utc(),
            },
            location: String::new(),
            description: String::new(),
            reminders,
            participants: Vec::new(),
        };
        compose(&content, stamp())
    };
    assert_eq!(columns(&named(None)).unwrap().reminders, None);
    assert!(named(Some(Vec::new())).contains("\r\nX-SHARED-CALENDAR-NO-REMINDERS:TRUE\r\n"));
    // An alarm of another kind says nothing of ours.
    let sounding = named(None)
        .replace("END:VEVENT", "BEGIN:VALARM\r\nACTION:AUDIO\r\nTRIGGER:-PT7M\r\nEND:VALARM\r\nEND:VEVENT");
    assert_eq!(columns(&sounding).unwrap().reminders, None);
}
