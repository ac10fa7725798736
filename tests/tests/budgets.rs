//! Rate limits and sizes, at the contract's own figures.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::json;
use system_tests::{door::Door, person::PASSWORD, stack::Stack};

/// A burst of `most` in a minute: the answers that were let through, with both prefixes in turn.
async fn burst(door: &Door, path: &str, most: usize) -> Result<usize> {
    let mut allowed = 0;
    for n in 0..most * 2 {
        let path = if n % 2 == 0 { path.to_owned() } else { format!("/api{path}") };
        let credentials = json!({ "username": format!("user{n}"), "password": PASSWORD });
        let answer = door.post(&path, credentials).await?;
        ensure!(answer.header("x-ratelimit-limit") == Some(most.to_string().as_str()), "{answer:?}");
        let remaining: usize = answer.header("x-ratelimit-remaining").unwrap_or("none").parse()?;
        if answer.status == 429 {
            ensure!(answer.code() == "rate_limited" && remaining == 0, "{answer:?}");
            let seconds: u64 = answer.header("retry-after").unwrap_or("none").parse()?;
            ensure!((1..=60).contains(&seconds), "{answer:?}");
        } else {
            allowed += 1;
            // Slow hashing may have let a place come back.
            ensure!(remaining < most, "{answer:?}");
        }
    }
    Ok(allowed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_registers_and_logs_in_five_times_a_minute() -> Result<()> {
    let stack = Stack::builder().contract_limits().start().await?;
    for path in ["/user/register", "/user/login"] {
        let allowed = burst(stack.door(), path, 5).await?;
        // A place comes back every 12 s; a slow machine may see one of them.
        assert!((5..=6).contains(&allowed), "{path}: {allowed}");
        // Another address has a budget of its own; a header makes nobody another client.
        let credentials = json!({ "username": "somebody", "password": PASSWORD });
        let other = stack.door().neighbour(7)?.post(path, credentials.clone()).await?;
        assert_ne!(other.status, 429, "{other:?}");
        let disguised = stack.door().call(Method::POST, path).header("x-forwarded-for", "10.1.2.3");
        let disguised = disguised.header("forwarded", "for=10.1.2.3").header("x-real-ip", "10.1.2.3");
        let answer = disguised.json(&credentials).send().await?;
        assert!(answer.status == 429 || allowed == 5, "{answer:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_budgets_of_its_own() -> Result<()> {
    let stack = Stack::builder().contract_limits().start().await?;
    let (ann, bob) = (stack.person("ann").await?, stack.person("bob").await?);
    for path in ["/calendar/get_events", "/calendar/create_calendar"] {
        let method = if path.ends_with("events") { Method::GET } else { Method::POST };
        let mut refused = 0;
        for n in 0..10 {
            let body = json!({ "calendar_name": format!("c{n}"), "calendar_password": "p" });
            let answer = ann.call(method.clone(), path).json(&body).send().await?;
            refused += usize::from(answer.status == 429);
        }
        assert!((4..=5).contains(&refused), "{path}: {refused} of 10 refused");
        let body = json!({ "calendar_name": format!("bob's {}", path.len()), "calendar_password": "p" });
        assert_ne!(bob.call(method, path).json(&body).send().await?.status, 429, "bob has his own");
    }
    let answer = ann.get("/calendar/calendars").await?.expect(200)?;
    assert_eq!(answer.header("x-ratelimit-limit"), Some("600"));
    let list = ann.get("/calendar/calendars").await?;
    let id = list.text_at("/calendars/0/calendar_id")?;
    for part in ["events?from=2030-01-01T00:00:00Z&to=2030-02-01T00:00:00Z", "changes", "messages"] {
        let answer = ann.get(&format!("/calendar/calendars/{id}/{part}")).await?.expect(200)?;
        assert_eq!(answer.header("x-ratelimit-limit"), Some("120"), "{part}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_one_account_slows_the_guesser_and_not_the_owner() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let guesser = stack.door().neighbour(66)?;
    let mut slowed = None;
    for n in 0..20 {
        let guess = json!({ "username": "ann", "password": format!("guess number {n}") });
        let answer = guesser.post("/user/login", guess).await?;
        if answer.status == 429 {
            slowed = Some((n, answer));
            break;
        }
        answer.refused(401, "invalid_credentials")?;
    }
    let (n, answer) = slowed.ok_or_else(|| anyhow::anyhow!("twenty guesses passed"))?;
    assert!((10..=11).contains(&n), "slowed after {n}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    // The owner's own address logs in as ever.
    let credentials = json!({ "username": "ann", "password": PASSWORD });
    ann.door().post("/user/login", credentials).await?.expect(200)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_256_kib_is_refused() -> Result<()> {
    let stack = Stack::start().await?;
    let ann = stack.person("ann").await?;
    let padded = |bytes: usize| {
        let mut body = br#"{"calendar_name":"Family","calendar_password":"p"}"#.to_vec();
        body.resize(bytes, b' ');
        ann.call(Method::POST, "/calendar/create_calendar")
            .header("content-type", "application/json")
            .body(body)
    };
    padded(256 * 1024 + 1).send().await?.refused(413, "payload_too_large")?;
    padded(256 * 1024).send().await?.expect(201)?;
    Ok(())
}
