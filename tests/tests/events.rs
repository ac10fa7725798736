//! Events over REST: the whole life of one, windows, zones, preconditions.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{
    person::{Person, event},
    stack::Stack,
};

async fn create(person: &Person, body: Value) -> Result<Value> {
    Ok(person.post("/calendar/create_event", body).await?.expect(201)?["event"].clone())
}

fn id(event: &Value) -> String {
    event["event_id"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_needs_the_revision_it_is_about() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    ann.create_calendar("Family").await?;
    let path = format!("/calendar/events/{}", id(&create(&ann, event("Family", "Dinner")).await?));
    let read = ann.get(&path).await?.expect(200)?;
    let etag = read.header("etag").unwrap_or_default().to_owned();
    assert_eq!(etag, format!("\"{}\"", read.text_at("/etag")?));

    let patch = |etag: &str, fields: Value| {
        ann.call(Method::PATCH, &path).header("if-match", etag).json(&fields).send()
    };
    ann.patch(&path, json!({ "location": "Home" })).await?.refused(428, "precondition_required")?;
    ann.delete(&path).await?.refused(428, "precondition_required")?;
    let moved = patch(&etag, json!({ "location": "Home" })).await?.expect(200)?;
    assert_eq!((&moved["location"], &moved["event_name"]), (&json!("Home"), &json!("Dinner")), "merged");
    assert_ne!(moved.header("etag"), Some(etag.as_str()));
    patch(&etag, json!({ "location": "Away" })).await?.refused(412, "stale")?;
    patch(&format!("W/{etag}"), json!({ "location": "Away" })).await?.refused(412, "stale")?;
    let cleared = patch("*", json!({ "location": null })).await?.expect(200)?;
    assert_eq!(cleared["location"], "");
    // What the server decides cannot be set, and an event stays in its calendar.
    let other = ann.create_calendar("Other").await?;
    let refused = patch("*", json!({ "calendar_id": other })).await?.refused(400, "invalid")?;
    assert_eq!(refused.fields(), ["calendar_id"]);
    let forged = json!({ "created_by": "bob", "seq": 99, "event_id": other, "etag": "x" });
    let kept = patch("*", forged).await?.expect(200)?;
    assert_eq!((&kept["created_by"], kept["event_id"] == other), (&json!("ann"), false));

    ann.call(Method::DELETE, &path).header("if-match", &etag).send().await?.refused(412, "stale")?;
    let latest = format!("\"{}\"", kept.text_at("/etag")?);
    ann.call(Method::DELETE, &path).header("if-match", &latest).send().await?.expect(204)?;
    ann.get(&path).await?.refused(404, "event_not_found")?;
    patch("*", json!({ "location": "x" })).await?.refused(404, "event_not_found")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_writers_of_one_revision_one_wins() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let family = ann.create_calendar("Family").await?;
    let made = create(&ann, event("Family", "Dinner")).await?;
    let path = format!("/calendar/events/{}", id(&made));
    let etag = format!("\"{}\"", made["etag"].as_str().unwrap_or_default());
    let writes = (0..16).map(|n| {
        let fields = json!({ "location": format!("Room {n}") });
        ann.call(Method::PATCH, &path).header("if-match", &etag).json(&fields).send()
    });
    let mut statuses: Vec<_> = futures::future::join_all(writes)
        .await
        .into_iter()
        .map(|answer| answer.map_or(0, |answer| answer.status))
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200], vec![412; 15]].concat());
    let updates =
        ann.changes(&family).await?.iter().filter(|change| change["type"] == "event_updated").count();
    assert_eq!(updates, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_read_in_the_zone_that_was_meant() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let body =
        json!({ "calendar_name": "Family", "calendar_password": "p", "time_zone": "America/New_York" });
    ann.post("/calendar/create_calendar", body).await?.expect(201)?;
    // start, end and zone as sent; start, end and zone as answered.
    let cases = [
        (
            "2030-05-01T19:00:00",
            "2030-05-01T20:00:00",
            Some("Europe/Berlin"),
            "2030-05-01T17:00:00Z",
            "2030-05-01T18:00:00Z",
            "Europe/Berlin",
        ),
        (
            "2030-05-01T19:00:00",
            "2030-05-01T20:00:00",
            None,
            "2030-05-01T19:00:00Z",
            "2030-05-01T20:00:00Z",
            "UTC",
        ),
        (
            "2030-05-01T19:00:00+05:30",
            "2030-05-01T14:00:00Z",
            Some("Europe/Berlin"),
            "2030-05-01T13:30:00Z",
            "2030-05-01T14:00:00Z",
            "Europe/Berlin",
        ),
        // A gap moves forward, a repeated time means the first.
        (
            "2030-03-31T02:30:00",
            "2030-03-31T04:00:00",
            Some("Europe/Berlin"),
            "2030-03-31T01:30:00Z",
            "2030-03-31T02:00:00Z",
            "Europe/Berlin",
        ),
        (
            "2030-10-27T02:30:00",
            "2030-10-27T04:00:00",
            Some("Europe/Berlin"),
            "2030-10-27T00:30:00Z",
            "2030-10-27T03:00:00Z",
            "Europe/Berlin",
        ),
    ];
    for (start, end, zone, start_out, end_out, zone_out) in cases {
        let mut body = event("Family", start);
        (body["event_start"], body["event_end"]) = (start.into(), end.into());
        if let Some(zone) = zone {
            body["time_zone"] = zone.into();
        }
        let made = create(&ann, body).await?;
        assert_eq!(
            (made["event_start"].as_str(), made["event_end"].as_str(), made["time_zone"].as_str()),
            (Some(start_out), Some(end_out), Some(zone_out)),
            "{start} in {zone:?}"
        );
    }
    let mut body = event("Family", "Holiday");
    (body["event_start"], body["event_end"], body["all_day"]) =
        (json!("2030-07-01"), json!("2030-07-03"), json!(true));
    let made = create(&ann, body).await?;
    assert_eq!((&made["event_start"], &made["event_end"]), (&json!("2030-07-01"), &json!("2030-07-03")));
    let mut body = event("Family", "Instant");
    body["event_end"] = body["event_start"].clone();
    create(&ann, body).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_half_open_and_overlap_counts() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let family = ann.create_calendar("Family").await?;
    ann.create_calendar("Work").await?;
    for (calendar, name, start, end) in [
        ("Family", "before", "2030-01-01T08:00:00Z", "2030-01-01T10:00:00Z"),
        ("Family", "across", "2030-01-01T09:00:00Z", "2030-01-01T11:00:00Z"),
        ("Family", "inside", "2030-01-01T10:30:00Z", "2030-01-01T11:30:00Z"),
        ("Family", "after", "2030-01-01T12:00:00Z", "2030-01-01T13:00:00Z"),
        ("Family", "weeks", "2029-11-01T00:00:00Z", "2030-03-01T00:00:00Z"),
        ("Work", "work", "2030-01-01T10:00:00Z", "2030-01-01T10:00:00Z"),
    ] {
        let body =
            json!({ "calendar_name": calendar, "event_name": name, "event_start": start, "event_end": end });
        create(&ann, body).await?;
    }
    let names = |answer: &Value| -> Vec<String> {
        let events = answer["events"].as_array().cloned().unwrap_or_default();
        events.iter().map(|event| event["event_name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let window = "from=2030-01-01T10:00:00Z&to=2030-01-01T12:00:00Z";
    let all = ann.get(&format!("/calendar/get_events?{window}")).await?.expect(200)?;
    assert_eq!(names(&all.body), ["weeks", "across", "work", "inside"], "ordered by start");
    let named = ann.get(&format!("/calendar/get_events?calendar_name=family&{window}")).await?.expect(200)?;
    assert_eq!(names(&named.body), ["weeks", "across", "inside"]);
    let mut alone = Vec::new();
    for event in named["events"].as_array().into_iter().flatten() {
        alone.push(ann.get(&format!("/calendar/events/{}", id(event))).await?.expect(200)?.text);
    }
    assert_eq!(named.text, format!("{{\"events\":[{}]}}", alone.join(",")), "each as it reads by itself");
    ann.get("/calendar/get_events?from=2031-01-01T00:00:00Z").await?.refused(404, "no_events")?;
    let bob = stack.person("bob").await?;
    bob.get("/calendar/get_events").await?.refused(404, "no_events")?;
    bob.get("/calendar/get_events?calendar_name=Family").await?.expect(404)?;
    ann.get("/calendar/get_events?from=yesterday").await?.refused(400, "invalid")?;

    // The same window, paged.
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/calendar/calendars/{family}/events?{window}&limit=1&cursor={cursor}");
        let page = ann.get(&path).await?.expect(200)?;
        paged.extend(names(&page.body));
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(paged, ["weeks", "across", "inside"]);
    for wrong in [
        "from=2030-01-01T00:00:00Z&to=2033-01-01T00:00:00Z",
        "from=2030-01-02T00:00:00Z&to=2030-01-01T00:00:00Z",
        "limit=0",
        "limit=1001",
        "cursor=nonsense",
    ] {
        let path = format!("/calendar/calendars/{family}/events?{wrong}");
        ann.get(&path).await?.refused(400, "invalid")?;
    }
    Ok(())
}
