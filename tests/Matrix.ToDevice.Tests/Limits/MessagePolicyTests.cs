using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests.Limits;

/// <summary>The host's own rules for what is sent.</summary>
public class MessagePolicyTests
{
    private static readonly ToDeviceError s_spam = new(403, "M_FORBIDDEN", "This looks like spam");

    private TestHomeserver _server = null!;
    private TestClient _alice = null!;
    private TestClient _bob = null!;
    private Rules _rules = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _server = await TestHomeserver.StartAsync(builder => builder.UseMessagePolicy<Rules>());
        _rules = (Rules)_server.Services.GetRequiredService<IMessagePolicy>();
        _alice = _server.Login("@alice:hs1", "A1");
        _bob = _server.Login("@bob:hs1", "B1");
    }

    [TearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [Test]
    public async Task It_sees_who_sends_what_to_whom_as_it_was_written()
    {
        await _alice.PutAsync("m.test", "t1", """{"messages":{"@bob:hs1":{"*":{"n":1},"NONE":{"n":2}},"@dan:hs2":{"D":{"n":3}}}}""");
        await ReceiveAsync("m1");

        Assert.That(_rules.Seen, Is.EqualTo(new[]
        {
            """@alice:hs1  m.test @bob:hs1/*={"n":1} @bob:hs1/NONE={"n":2} @dan:hs2/D={"n":3}""",
            """@dan:hs2 hs2 m.test @bob:hs1/B1={"n":4}""",
        }));
    }

    [Test]
    public async Task A_rejected_send_is_answered_its_error_reaches_nobody_and_uses_up_no_transaction()
    {
        _rules.Decide = _ => PolicyDecision.Reject(s_spam);
        var rejected = await _alice.SendAsync("t1", "@bob:hs1", "B1");
        rejected.ShouldBe(403, "M_FORBIDDEN");
        Assert.That((string?)rejected.Json["error"], Is.EqualTo("This looks like spam"));
        Assert.That((await _bob.SyncAsync()).Events, Is.Empty);

        _rules.Decide = _ => PolicyDecision.Accept;
        (await _alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        _rules.Decide = _ => PolicyDecision.Reject(s_spam);
        (await _alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task D10_a_dropped_message_reaches_nobody_and_the_others_do()
    {
        var (b2, carol) = (_server.Login("@bob:hs1", "B2"), _server.Login("@carol:hs1", "C1"));
        using var metrics = CapturedMetrics.Of(_server);
        _rules.Decide = _ => PolicyDecision.Drop([new("@bob:hs1", "B1"), new("@dan:hs2", "D1"), new("@nobody:hs1", "X")]);

        (await _alice.PutAsync("m.test", "t1", """
            {"messages":{"@bob:hs1":{"*":{"n":1},"B1":{"n":2}},"@carol:hs1":{"C1":{"n":3}},"@dan:hs2":{"D1":{"n":4},"D2":{"n":5}}}}
            """)).ShouldBeAccepted();

        Assert.That((await _bob.SyncAsync()).Events, Is.Empty, "nor as one of all devices");
        Assert.That((await b2.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":1}""" }));
        Assert.That((await carol.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":3}""" }));
        var edu = (await _server.Services.GetRequiredService<IFederationOutbox>().ReadAsync("hs2", 0, 10, default)).Single();
        Assert.That(Encoding.UTF8.GetString(edu.Content.Span), Does.Contain("\"D2\"").And.Not.Contain("\"D1\""));
        Assert.That(metrics["matrix.to_device.dropped"].Select(drop => (drop.Value, drop.Tags)), Is.EqualTo(new[] { (2d, "reason=policy") }));
    }

    [Test]
    public async Task D15_an_EDU_that_is_rejected_is_dropped_and_told_and_those_beside_it_are_delivered()
    {
        using var metrics = CapturedMetrics.Of(_server);
        _rules.Decide = send => send.Messages[0].Content.Span.SequenceEqual("{\"n\":1}"u8) ? PolicyDecision.Reject(s_spam) : PolicyDecision.Accept;
        var transaction = Encoding.UTF8.GetBytes($$"""{"edus":[{{Edu("m1", 1)}},{{Edu("m2", 2)}}]}""");

        var received = await _server.Services.GetRequiredService<FederationReceiver>().ReceiveTransactionAsync("hs2", transaction, default);

        Assert.That(received, Is.EqualTo(new ReceivedTransaction(1, 0, 1)));
        Assert.That((await _bob.SyncAsync()).Contents, Is.EqualTo(new[] { """{"n":2}""" }));
        Assert.That(metrics["matrix.to_device.federation.received"].Select(edu => edu.Tags), Is.EqualTo(new[] { "outcome=refused", "outcome=delivered" }));
        Assert.That(metrics["matrix.to_device.dropped"].Select(drop => (drop.Value, drop.Tags)), Is.EqualTo(new[] { (1d, "reason=policy") }));

        static string Edu(string id, int n) =>
            $$"""{"edu_type":"m.direct_to_device","content":{"sender":"@dan:hs2","type":"m.test","message_id":"{{id}}","messages":{"@bob:hs1":{"B1":{"n":{{n}} } } } } }""";
    }

    [Test]
    public async Task D15_messages_of_an_EDU_can_be_dropped()
    {
        _rules.Decide = _ => PolicyDecision.Drop([new("@bob:hs1", "B1")]);

        Assert.That(await ReceiveAsync("m1"), Is.EqualTo(ReceivedEdu.Delivered));

        Assert.That((await _bob.SyncAsync()).Events, Is.Empty);
    }

    private static readonly Exception[] s_failures =
        [new TimeoutException("The list has gone."), new ToDeviceErrorException(new ToDeviceError(400, "M_UNKNOWN", "thrown"))];

    [TestCaseSource(nameof(s_failures))]
    public async Task D3_one_that_fails_is_503_and_nothing_is_done(Exception failure)
    {
        _rules.Decide = _ => throw failure;
        (await _alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBe(503, "M_UNKNOWN");
        Assert.That(async () => await ReceiveAsync("m1"), Throws.Exception.Not.TypeOf<ToDeviceErrorException>());
        Assert.That((await _bob.SyncAsync()).Events, Is.Empty);

        _rules.Decide = _ => PolicyDecision.Accept;
        (await _alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        Assert.That(await ReceiveAsync("m1"), Is.EqualTo(ReceivedEdu.Delivered));
        Assert.That((await _bob.SyncAsync()).Events, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task R105_what_is_dropped_is_in_no_queue_of_an_appservice()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            TestAppservices.Add(builder, TestAppservices.Irc);
            builder.UseMessagePolicy<Rules>();
        });
        ((Rules)server.Services.GetRequiredService<IMessagePolicy>()).Decide = send =>
            PolicyDecision.Drop(send.Messages.Where(message => message.Content.Span.SequenceEqual("{\"n\":1}"u8)).Select(message => message.Recipient));
        var alice = server.Login("@alice:hs1", "A1");
        server.Devices.Add("@_irc_x:hs1", "D");

        (await alice.SendAsync("t1", "@_irc_x:hs1", "D", """{"n":1}""")).ShouldBeAccepted();
        (await alice.SendAsync("t2", "@_irc_x:hs1", "D", """{"n":2}""")).ShouldBeAccepted();

        var push = await TestAppservices.Of(server).NextAsync();
        push.Received();
        Assert.That(push.Numbers, Is.EqualTo(new[] { 2 }));
    }

    [TestCase(200)]
    [TestCase(500)]
    public void D3_a_rejection_is_a_4xx(int status) =>
        Assert.That(() => PolicyDecision.Reject(new ToDeviceError(status, "M_UNKNOWN", "no")), Throws.ArgumentException);

    [Test]
    public async Task It_can_be_one_for_each_request()
    {
        await using var server = await TestHomeserver.StartAsync(builder => builder.UseMessagePolicy<Rules>(ServiceLifetime.Scoped));
        server.Login("@bob:hs1", "B1");

        (await server.Login("@alice:hs1", "A1").SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
    }

    private ValueTask<ReceivedEdu> ReceiveAsync(string id) => _server.Services.GetRequiredService<FederationReceiver>().ReceiveAsync(
        "hs2", Encoding.UTF8.GetBytes($$$$"""{"sender":"@dan:hs2","type":"m.test","message_id":"{{{{id}}}}","messages":{"@bob:hs1":{"B1":{"n":4} } } }"""), default);

    internal sealed class Rules : IMessagePolicy
    {
        public ConcurrentQueue<string> Seen { get; } = new();

        public Func<PolicySend, PolicyDecision> Decide { get; set; } = _ => PolicyDecision.Accept;

        public ValueTask<PolicyDecision> DecideAsync(PolicySend send, CancellationToken cancellationToken)
        {
            var messages = send.Messages.Select(message =>
                $"{message.Recipient.UserId}/{message.Recipient.DeviceId}={Encoding.UTF8.GetString(message.Content.Span)}");
            Seen.Enqueue($"{send.Sender} {send.Origin} {send.EventType} {string.Join(' ', messages)}");
            return new(Decide(send));
        }
    }
}
