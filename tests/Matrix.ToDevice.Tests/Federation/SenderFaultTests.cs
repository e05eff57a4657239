using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Matrix.ToDevice.Tests;

/// <summary>The sender when its own store fails, its configuration, and the form of what it sends.</summary>
public class SenderFaultTests : SenderTests
{
    [TestCase(nameof(IFederationOutbox.AcquireAsync))]
    [TestCase(nameof(IFederationOutbox.ReadAsync))]
    [TestCase(nameof(IFederationOutbox.RenewAsync))]
    [TestCase(nameof(IFederationOutbox.RemoveAsync))]
    [TestCase(nameof(IFederationOutbox.ReleaseAsync))]
    public async Task D16_a_store_that_fails_for_a_while_holds_sending_up_and_loses_nothing(string method)
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            TestTransport.Add(builder, options => options.LeaseDuration = TimeSpan.FromMilliseconds(100));
            HookedOutbox.Add(builder);
        });
        var failures = 3;
        server.Services.GetRequiredService<HookedOutbox>().Before = called =>
        {
            if (called == method && Interlocked.Decrement(ref failures) >= 0) throw new IOException("The disk is away.");
        };
        var alice = server.Login("@alice:hs1", "A1");
        var peers = TestTransport.Of(server);

        SortedSet<int> received = [];
        for (var n = 1; n <= 5 || Volatile.Read(ref failures) > 0; n++)
        {
            (await alice.SendAsync($"t{n}", "@carol:hs2", "C1", $$"""{"n":{{n}}}""")).ShouldBeAccepted();
            while (!received.Contains(n))
            {
                var transaction = await peers.NextAsync();
                Assert.That(transaction.Numbers[0], Is.LessThanOrEqualTo(received.Count + 1), "nothing is left out");
                received.UnionWith(transaction.Numbers);
                transaction.Received();
            }
        }
    }

    [Test]
    public async Task D22_a_store_that_fails_makes_no_destination_one_that_fails()
    {
        var time = new ManualTime();
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.AddSingleton<TimeProvider>(time);
            TestTransport.Add(builder, options =>
            {
                options.MinPause = options.MaxPause = TimeSpan.FromHours(1);
                options.PollInterval = options.LeaseDuration = TimeSpan.FromDays(1);
            });
            HookedOutbox.Add(builder);
        });
        var outbox = server.Services.GetRequiredService<HookedOutbox>();
        TaskCompletionSource released = new(), end = new();
        outbox.Before = called =>
        {
            if (called == nameof(IFederationOutbox.ReadAsync)) throw new IOException("The disk is away.");
        };
        outbox.AfterRelease = () =>
        {
            released.TrySetResult();
            return end.Task;
        };
        (await server.Login("@alice:hs1", "A1").SendAsync("t1", "@carol:hs2", "C1")).ShouldBeAccepted();
        await released.Task.WaitAsync(TimeLimit.OfOneWait);
        time.Advance(TimeSpan.FromHours(2));

        var leases = await ((IFederationOutbox)server.Services.GetRequiredService<ITransactionStore>()).AcquireAsync("test", TimeSpan.FromDays(1), 10);
        end.SetResult();
        Assert.That(leases.Single().Failures, Is.Zero);
    }

    [Test]
    public async Task D23_an_EDU_at_the_position_of_one_that_was_lost_in_a_failover_is_sent()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            TestTransport.Add(builder);
            HookedOutbox.Add(builder);
        });
        // What the sender reads at first, the store has lost before the answer, and has given its positions to others.
        var outbox = server.Services.GetRequiredService<HookedOutbox>();
        outbox.AfterRead = edus => [.. edus.Select(edu => edu with { MessageId = $"lost{edu.Position}" })];
        var alice = server.Login("@alice:hs1", "A1");
        var peers = TestTransport.Of(server);
        await alice.SendAsync("t1", "@carol:hs2", "C1", """{"n":1}""");
        var lost = await peers.NextAsync();
        await alice.SendAsync("t2", "@carol:hs2", "C1", """{"n":2}""");

        outbox.AfterRead = edus => edus;
        lost.Received();

        var found = await peers.NextAsync();
        Assert.That(found.Numbers, Is.EqualTo(new[] { 1, 2 }));
        Assert.That(found.Id, Is.Not.EqualTo(lost.Id));
        found.Received();
        while ((await outbox.ReadAsync("hs2", 10)).Count > 0) await TimeLimit.OneMoreTurnAsync();
    }

    [Test]
    public async Task D23_an_EDU_at_the_position_of_a_refused_one_that_was_lost_is_not_given_up_for_it()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            TestTransport.Add(builder);
            HookedOutbox.Add(builder);
        });
        using var metrics = CapturedMetrics.Of(server);
        var outbox = server.Services.GetRequiredService<HookedOutbox>();
        var alice = server.Login("@alice:hs1", "A1");
        var peers = TestTransport.Of(server);
        for (var n = 0; n <= 2; n++) await alice.SendAsync($"t{n}", "@carol:hs2", "C1", $$"""{"n":{{n}}}""");
        var transaction = await peers.NextAsync();
        for (; transaction.Numbers is not [2]; transaction = await peers.NextAsync())
        {
            if (transaction.Numbers.Contains(0)) transaction.Received();
            else transaction.Refused();
        }

        // The store fails over while the one behind it is being tried: where the refused one was, there is another.
        outbox.AfterRead = edus => [.. edus.Select((edu, n) => n == 0 ? edu with { MessageId = "another" } : edu)];
        transaction.Received();
        var another = await peers.NextAsync();
        Assert.That(another.Numbers, Is.EqualTo(new[] { 1 }));
        Assert.That(another.MessageIds, Is.EqualTo(new[] { "another" }));
        another.Refused();

        Assert.That((await peers.NextAsync()).Numbers, Is.EqualTo(new[] { 2 }), "refused once only: the search begins anew");
        Assert.That(metrics["matrix.to_device.federation.given_up"], Is.Empty);
    }

    [Test]
    public async Task A_sender_that_has_sent_everything_comes_to_rest()
    {
        var pollInterval = TimeSpan.FromMinutes(1);
        var time = new WatchedTime();
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            TestTransport.Add(builder, options => options.PollInterval = pollInterval);
            HookedOutbox.Add(builder);
            builder.Services.AddSingleton<TimeProvider>(time);
        });
        var looks = 0;
        server.Services.GetRequiredService<HookedOutbox>().Before = called =>
        {
            if (called == nameof(IFederationOutbox.AcquireAsync)) Interlocked.Increment(ref looks);
        };
        (await server.Login("@alice:hs1", "A1").SendAsync("t1", "@carol:hs2", "C1")).ShouldBeAccepted();
        var transaction = await TestTransport.Of(server).NextAsync();
        var rests = time.NextTimerAsync(pollInterval);
        transaction.Received();

        await rests;
        Assert.That(looks, Is.LessThan(100), "It looks again and again");
    }

    [Test]
    public void R27_a_sender_without_an_outbox_fails_at_the_start_and_names_what_is_missing()
    {
        Assert.That(
            () => TestHomeserver.StartAsync(builder =>
            {
                TestTransport.Add(builder);
                builder.Services.RemoveAll<IFederationOutbox>();
            }),
            Throws.InvalidOperationException.With.Message.Contains("UseFederation()").And.Message.Contains("IFederationOutbox"));
    }

    [Test]
    public async Task UseFederation_twice_has_one_sender()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            TestTransport.Add(builder);
            TestTransport.Add(builder);
        });
        await server.Login("@alice:hs1", "A1").SendAsync("t1", "@carol:hs2", "C1");
        (await TestTransport.Of(server).NextAsync()).Received();

        Assert.That(
            server.Services.GetServices<Microsoft.Extensions.Hosting.IHostedService>().Select(service => service.GetType().Name),
            Has.Exactly(1).EqualTo("FederationSender"));
    }

    [TestCase(nameof(FederationSenderOptions.MaxEdus), 0)]
    [TestCase(nameof(FederationSenderOptions.MaxEdus), 101)]
    [TestCase(nameof(FederationSenderOptions.MaxTransactionBytes), 0)]
    [TestCase(nameof(FederationSenderOptions.MaxDestinations), 0)]
    [TestCase(nameof(FederationSenderOptions.MaxDestinations), 1)]
    [TestCase(nameof(FederationSenderOptions.MaxFailingDestinations), 0)]
    [TestCase(nameof(FederationSenderOptions.MaxFailingDestinations), 128)]
    [TestCase(nameof(FederationSenderOptions.SlowAfter), -1)]
    [TestCase(nameof(FederationSenderOptions.UnreachableExpiry), -1)]
    [TestCase(nameof(FederationSenderOptions.SendTimeout), -1)]
    [TestCase(nameof(FederationSenderOptions.MinPause), -1)]
    [TestCase(nameof(FederationSenderOptions.MaxPause), -1)]
    [TestCase(nameof(FederationSenderOptions.LeaseDuration), -1)]
    [TestCase(nameof(FederationSenderOptions.PollInterval), -1)]
    [TestCase(nameof(FederationSenderOptions.Expiry), -1)]
    public void A_wrong_option_is_refused_at_the_start(string option, int value)
    {
        var property = typeof(FederationSenderOptions).GetProperty(option)!;
        object wrong = property.PropertyType == typeof(int) || property.PropertyType == typeof(int?) ? value : TimeSpan.FromSeconds(value);
        Assert.That(
            () => TestHomeserver.StartAsync(builder => TestTransport.Add(builder, options => property.SetValue(options, wrong))),
            Throws.TypeOf<OptionsValidationException>().With.Message.Contains(option));
    }

    [Test]
    public async Task R80_R83_D20_a_transaction_writes_itself_as_the_specification_has_it()
    {
        (await Alice.SendAsync("t1", "@carol:hs2", "C1", """{"n":1e3,"s":"\u00e9"}""", "m.room.encrypted")).ShouldBeAccepted();
        var transaction = (await Peers.NextAsync()).Sent;

        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer)) transaction.WriteTo(json, "hs1");
        var text = Encoding.UTF8.GetString(buffer.ToArray());

        var edu = transaction.Edus.Single();
        // In the order and the form in which it is signed (D20).
        var (content, time) = (Encoding.UTF8.GetString(edu.Content.Span), edu.CommittedAt.ToUnixTimeMilliseconds());
        Assert.That(content, Does.Contain("""{"C1":{"n":1000,"s":"é"}}"""));
        Assert.That(text, Is.EqualTo(
            $$"""{"edus":[{"content":{{content}},"edu_type":"m.direct_to_device"}],"origin":"hs1","origin_server_ts":{{time}},"pdus":[]}"""));
        Assert.That(Encoding.UTF8.GetString(CanonicalJson.Encode(buffer.ToArray())), Is.EqualTo(text));
        Assert.That(transaction.TransactionId, Does.Match("^[0-9a-f]{32}$"));
    }
}
