//! Every method, called by every service.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use system_tests::{certificates::Certificates, services::Service, stack::Stack};
use tonic::{Code, Request, client::Grpc, transport::Channel};
use tonic_prost::ProstCodec;

const ALL: [&str; 5] = ["gateway", "auth", "calendar", "notification", "activity"];
/// Who may call; the first line that a method begins with counts.
const MAY: [(&str, &[&str]); 15] = [
    ("auth.v1.AuthService/Jwks", &["gateway", "calendar", "notification", "activity"]),
    ("auth.v1.AuthService/", &["gateway"]),
    ("auth.v1.SessionService/RedeemTicket", &["gateway"]),
    ("auth.v1.SessionService/CheckSessions", &["calendar"]),
    ("auth.v1.SessionService/", &["gateway", "calendar"]),
    ("auth.v1.DirectoryService/", &["gateway"]),
    ("auth.v1.ParticipantService/", &["calendar"]),
    ("calendar.v1.DeliveryService/", &["notification"]),
    ("calendar.v1.AccountService/", &["auth"]),
    ("calendar.v1.", &["gateway"]),
    ("notification.v1.ReminderService/", &["calendar"]),
    ("notification.v1.NotifierService/", &["gateway", "activity"]),
    ("notification.v1.AccountService/", &["auth"]),
    ("activity.v1.AccountService/", &["auth"]),
    ("", &["gateway"]),
];

/// An empty message, without a service token: what it is answered.
async fn call(channel: Channel, method: &str) -> Result<Code> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    let path = http::uri::PathAndQuery::try_from(format!("/{method}"))?;
    let answer = grpc.unary(Request::new(()), path, ProstCodec::<(), ()>::default()).await;
    Ok(answer.err().map_or(Code::Ok, |status| status.code()))
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_a_certificate_opens_its_services_methods_and_no_others() -> Result<()> {
    let certificates = Certificates::made()?;
    let stack = Stack::builder().mutual_tls(&certificates).start().await?;
    stack.expect_error("a caller may not call this method");
    let mut channels = BTreeMap::new();
    for service in [Service::Auth, Service::Calendar, Service::Notification, Service::Activity] {
        for caller in ALL {
            let at = stack.address(service);
            let channel = certificates.channel(at, service.name(), Some((&certificates, caller)))?;
            channels.insert((service.name(), caller), channel);
        }
    }
    let mut wrong = Vec::new();
    let (mut opened, mut refused) = (0, 0);
    for method in proto::METHODS {
        let (_, may) = MAY.iter().find(|(what, _)| method.starts_with(what)).context("no line")?;
        let package = method.split('.').next().unwrap_or_default();
        for caller in ALL {
            let channel = channels.get(&(package, caller)).context("no such service")?.clone();
            let code = call(channel, method).await?;
            // No bearer, so public methods hear Unauthenticated; internal ones must not: the certificate is enough.
            let is_public = ["AuthService", "CalendarService", "NotificationService", "ActivityService"]
                .iter()
                .any(|service| method.contains(&format!(".{service}/")));
            // What is no ticket hears the same, from the method itself.
            let is_public = is_public || method.ends_with("/RedeemTicket");
            let as_it_should = if may.contains(&caller) {
                opened += 1;
                code != Code::PermissionDenied && (is_public || code != Code::Unauthenticated)
            } else {
                refused += 1;
                code == Code::PermissionDenied
            };
            if !as_it_should {
                wrong.push(format!("{caller} -> {method}: {code:?}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    ensure!(opened > 40 && refused > 150, "{opened} opened, {refused} refused");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_without_certificates_the_token_is_wanted() -> Result<()> {
    let stack = Stack::start().await?;
    for (service, method) in [
        (Service::Auth, "auth.v1.SessionService/Authenticate"),
        (Service::Calendar, "calendar.v1.TunnelService/CloseTunnels"),
        (Service::Notification, "notification.v1.NotifierService/NotifyAccount"),
        (Service::Activity, "activity.v1.AccountService/RemoveAccount"),
    ] {
        let channel = chassis::rpc::channel(&format!("http://{}", stack.address(service)).parse()?);
        ensure!(call(channel, method).await? == Code::Unauthenticated, "{method}");
    }
    Ok(())
}
