//! `notifications`: what the rules have found out.

use chassis::fault::{Fault, Reason};
use uuid::Uuid;

use super::{Store, Tx};
use crate::{
    model::{Device, Instant},
    rules::{Known, Span, Standing, Wanted},
};

/// A device, and where firings of it have to begin to be of interest.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The device.
    pub device: &'a Device,
    /// From when to when.
    pub span: Span,
}

/// A notification of a device that is to be written.
#[derive(Clone, Debug)]
pub struct Planned<'a> {
    /// The device.
    pub device: &'a Device,
    /// The notification.
    pub notification_id: Uuid,
    /// What it says.
    pub wanted: &'a Wanted,
}

impl Store {
    /// What is known of each subject, in the order of the subjects.
    pub async fn known_notifications(&self, subjects: &[Subject<'_>]) -> Result<Vec<Vec<Known>>, Fault> {
        let account_ids: Vec<_> = subjects.iter().map(|subject| subject.device.account_id).collect();
        let device_ids: Vec<_> = subjects.iter().map(|subject| &*subject.device.device_id).collect();
        let froms: Vec<_> = subjects.iter().map(|subject| subject.span.from).collect();
        let tos: Vec<_> = subjects.iter().map(|subject| subject.span.to).collect();
        let rows = sqlx::query!(
            r#"
            select s.place as "place!", n.notification_id, n.rule, n.about, n.outcome,
                n.from_at as "from: Instant", n.to_at as "to: Instant"
            from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[])
                    with ordinality as s (account_id, device_id, first, last, place)
                join notifications n on (n.account_id, n.device_id) = (s.account_id, s.device_id)
                    and n.from_at >= s.first and n.from_at <= s.last
            "#,
            &account_ids,
            &device_ids as &[&str],
            &froms as &[Instant],
            &tos as &[Instant],
        );
        let mut known: Vec<Vec<Known>> = subjects.iter().map(|_| Vec::new()).collect();
        for row in rows.fetch_all(self.pool()).await? {
            known[row.place as usize - 1].push(Known {
                notification_id: row.notification_id,
                rule: row.rule,
                about: row.about,
                from: row.from,
                to: row.to,
                standing: standing(row.outcome.as_deref())?,
            });
        }
        Ok(known)
    }
}

impl Tx {
    /// Writes new notifications; one that was cancelled waits again.
    pub async fn plan_notifications(&mut self, planned: &[Planned<'_>]) -> Result<(), Fault> {
        let ids: Vec<_> = planned.iter().map(|new| new.notification_id).collect();
        let account_ids: Vec<_> = planned.iter().map(|new| new.device.account_id).collect();
        let device_ids: Vec<_> = planned.iter().map(|new| &*new.device.device_id).collect();
        let rules: Vec<_> = planned.iter().map(|new| new.wanted.rule).collect();
        let abouts: Vec<_> = planned.iter().map(|new| &*new.wanted.firing.about).collect();
        let froms: Vec<_> = planned.iter().map(|new| new.wanted.firing.from).collect();
        let tos: Vec<_> = planned.iter().map(|new| new.wanted.firing.to).collect();
        let messages: Vec<_> = planned.iter().map(|new| &*new.wanted.firing.message).collect();
        let dues: Vec<_> = planned.iter().map(|new| new.wanted.firing.due).collect();
        sqlx::query!(
            r#"
            with clock as materialized (
                select app_now() as now
            )
            insert into notifications as n (notification_id, account_id, device_id, rule, about, from_at, to_at,
                message, due_at, next_attempt_at, created_at)
            select s.notification_id, s.account_id, s.device_id, s.rule, s.about, s.from_at, s.to_at, s.message,
                coalesce(s.due_at, clock.now), coalesce(s.due_at, clock.now), clock.now
            from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
                        $7::timestamptz[], $8::text[], $9::timestamptz[])
                    as s (notification_id, account_id, device_id, rule, about, from_at, to_at, message, due_at),
                clock
            order by s.notification_id
            on conflict (notification_id) do update set
                outcome = null, ended_at = null, message = excluded.message,
                due_at = excluded.due_at, next_attempt_at = excluded.next_attempt_at
            where n.outcome = 'cancelled'
            "#,
            &ids,
            &account_ids,
            &device_ids as &[&str],
            &rules as &[&str],
            &abouts as &[&str],
            &froms as &[Instant],
            &tos as &[Instant],
            &messages as &[&str],
            &dues as &[Option<Instant>],
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Ends waiting notifications that nobody wants any more. One that is just
    /// going out may still be delivered, and then counts as that.
    pub async fn cancel_notifications(&mut self, ids: &[Uuid]) -> Result<(), Fault> {
        sqlx::query!(
            r#"
            with unwanted as (
                select notification_id from notifications
                where notification_id = any($1) and outcome is null
                order by notification_id for update
            )
            update notifications n set outcome = 'cancelled', ended_at = app_now()
            from unwanted where n.notification_id = unwanted.notification_id
            "#,
            ids,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

fn standing(outcome: Option<&str>) -> Result<Standing, Fault> {
    match outcome {
        None => Ok(Standing::Waiting),
        Some("delivered") => Ok(Standing::Delivered),
        Some("cancelled") => Ok(Standing::Cancelled),
        Some(other) => {
            tracing::error!(outcome = other, "a notification holds what its constraint should have kept out");
            Err(Fault::of(Reason::Internal))
        }
    }
}
