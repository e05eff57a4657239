using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Matrix.ToDevice.Tests;

/// <summary>What waits for an appservice is kept, and pushed by one host at a time, in every store.</summary>
public class AppservicePushTests
{
    // Has the store, and outlives the hosts that share it.
    private TestHomeserver _keeper = null!;
    private TestHomeserver _server = null!;
    private TestClient _alice = null!;
    private int _sends;

    private TestAppservices Pushes => TestAppservices.Of(_server);

    [SetUp]
    public async Task StartAsync()
    {
        _sends = 0;
        _keeper = await TestHomeserver.StartAsync();
        _server = await StartHostAsync();
        _alice = _server.Login("@alice:hs1", "A1");
        _server.Devices.Add("@_irc_bob:hs1", "B1");
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _server.DisposeAsync();
        await _keeper.DisposeAsync();
    }

    [Test]
    public async Task R105_a_lost_answer_repeats_the_same_transaction_whatever_has_come_behind_it()
    {
        await SendAsync(1, 2);
        var first = await Pushes.NextAsync();
        await SendAsync(3, 4);
        first.Throws();

        var again = await Pushes.NextAsync();
        Assert.That((again.Id, again.Body), Is.EqualTo((first.Id, first.Body)));
        again.Received();
        await ReceiveUpToAsync(4, from: first.Numbers.Last() + 1);
    }

    [Test]
    public async Task R105_whatever_is_answered_but_200_repeats_the_same_transaction_and_passes_nothing_over(
        [Values(201, 400, 401, 403, 404, 413, 500)] int status)
    {
        await SendAsync(1, 3);
        var first = await Pushes.NextAsync();

        var push = first;
        for (var failures = 0; failures < 20; failures++)
        {
            push.Fails(status);
            push = await Pushes.NextAsync();
            Assert.That((push.Id, push.Body), Is.EqualTo((first.Id, first.Body)));
        }

        push.Received();
        if (first.Numbers.Last() < 3) await ReceiveUpToAsync(3, from: first.Numbers.Last() + 1);
    }

    [Test]
    public async Task R105_what_an_appservice_has_acknowledged_is_deleted_and_the_order_is_kept()
    {
        await SendAsync(1, 30);
        await ReceiveUpToAsync(30);

        while ((await Outbox.ListDestinationsAsync(null, 10, default)).Count > 0) await TimeLimit.OneMoreTurnAsync();
        Assert.That(Pushes.HasNext(), Is.False);
    }

    [Test]
    public async Task R105_a_host_that_goes_in_the_middle_of_a_push_leaves_the_transaction_to_the_next_one()
    {
        await SendAsync(1, 1);
        var first = await Pushes.NextAsync();
        await SendAsync(2, 3);
        await using var other = await StartHostAsync(options => options.MaxTransactionBytes = 1);

        await _server.DisposeAsync();

        var again = await TestAppservices.Of(other).NextAsync();
        Assert.That((again.Id, again.Body), Is.EqualTo((first.Id, first.Body)));
        again.Received();
        var next = await TestAppservices.Of(other).NextAsync();
        Assert.That(next.Numbers, Is.EqualTo(new[] { 2 }), "what was not tried has the size that it has there");
    }

    [Test]
    public async Task R105_a_transaction_that_was_tried_by_a_host_with_larger_ones_is_repeated_whole()
    {
        await SendAsync(0, 0);
        var first = await Pushes.NextAsync();
        await SendAsync(1, 5);
        first.Received();
        var whole = await Pushes.NextAsync();
        await using var other = await StartHostAsync(options => options.MaxTransactionBytes = 1);

        await _server.DisposeAsync();

        var again = await TestAppservices.Of(other).NextAsync();
        Assert.That(whole.Numbers, Is.EqualTo(Enumerable.Range(1, 5)));
        Assert.That((again.Id, again.Body), Is.EqualTo((whole.Id, whole.Body)));
    }

    [Test]
    public async Task R105_of_two_hosts_one_pushes()
    {
        await using var other = await StartHostAsync();
        await SendAsync(1, 1);
        var (here, there) = (Pushes.NextAsync(), TestAppservices.Of(other).NextAsync());
        var first = await await Task.WhenAny(here, there);
        await SendAsync(2, 3);

        // Both look every few milliseconds.
        var outbox = Outbox;
        for (var looks = 0; looks < 20; looks++) await outbox.ReadAsync("appservice/irc", 10);
        Assert.That(here.IsCompleted && there.IsCompleted, Is.False, "the first one has no answer yet");
        first.Received();
        var second = await await Task.WhenAny(
            here.IsCompleted ? Pushes.NextAsync() : here, there.IsCompleted ? TestAppservices.Of(other).NextAsync() : there);
        Assert.That(first.Numbers.Concat(second.Numbers), Is.EqualTo(new[] { 1, 2, 3 }));
        second.Received();
    }

    [Test]
    public async Task R105_an_appservice_that_was_down_for_long_gets_everything_in_order()
    {
        await SendAsync(1, 1);
        var push = await Pushes.NextAsync();
        await SendAsync(2, 150);
        for (var failures = 0; failures < 5; failures++)
        {
            push.Fails();
            push = await Pushes.NextAsync();
        }

        push.Received();
        await ReceiveUpToAsync(150, from: push.Numbers.Last() + 1);
    }

    [Test]
    public async Task D22_a_dead_appservice_holds_up_neither_another_one_nor_other_servers_nor_they_it()
    {
        var xmpp = new Appservice("xmpp", "@xmpp_bot:hs1", [new AppserviceNamespace("@_xmpp_.*", isExclusive: true)]);
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            // One place for servers that fail, and one for the others.
            TestTransport.Add(builder, options => (options.MaxDestinations, options.MaxFailingDestinations) = (2, 1));
            TestAppservices.Add(builder, TestAppservices.Irc, xmpp);
        });
        var alice = server.Login("@alice:hs1", "A1");
        server.Devices.Add("@_irc_bob:hs1", "B1");
        server.Devices.Add("@_xmpp_bob:hs1", "B1");
        var (appservices, servers) = (TestAppservices.Of(server), TestTransport.Of(server));

        await alice.SendAsync("t1", "@_irc_bob:hs1", "B1");
        await appservices.NextAsync();
        await alice.SendAsync("t2", "@carol:hs2", "C1");
        var stuck = await servers.NextAsync();
        await alice.SendAsync("t3", "@dave:hs3", "D1");
        await servers.NextAsync("hs3");
        await alice.SendAsync("t4", "@_xmpp_bob:hs1", "B1", """{"n":4}""");
        var push = await appservices.NextAsync("xmpp");

        Assert.That(push.Numbers, Is.EqualTo(new[] { 4 }), "all places for servers are taken, and the other appservice does not answer");
        push.Received();
        stuck.Received();
    }

    [Test]
    public async Task D6_what_was_accepted_for_a_device_that_is_removed_then_is_pushed_still()
    {
        await SendAsync(1, 1);
        var first = await Pushes.NextAsync();
        await SendAsync(2, 2);

        await _server.LogoutAsync("@_irc_bob:hs1", "B1");
        first.Received();

        var push = await Pushes.NextAsync();
        Assert.That(push.Numbers, Is.EqualTo(new[] { 2 }));
        push.Received();
        (await _alice.SendAsync("after", "@_irc_bob:hs1", "B1")).ShouldBeAccepted();
        while ((await Outbox.ListDestinationsAsync(null, 10, default)).Count > 0) await TimeLimit.OneMoreTurnAsync();
        Assert.That(Pushes.HasNext(), Is.False, "from then on, there is no such device");
    }

    private IFederationOutbox Outbox => _keeper.Services.GetRequiredService<IFederationOutbox>();

    /// <summary>Sends <c>{"n":…}</c> to the bridge's user.</summary>
    private async Task SendAsync(int from, int to)
    {
        for (var n = from; n <= to; n++)
            (await _alice.SendAsync($"{++_sends}", "@_irc_bob:hs1", "B1", $$"""{"n":{{n}}}""")).ShouldBeAccepted();
    }

    /// <summary>Takes transactions until the last of these numbers was in one.</summary>
    private async Task ReceiveUpToAsync(int to, int from = 1)
    {
        var numbers = new List<int>();
        while (from + numbers.Count <= to)
        {
            var push = await Pushes.NextAsync();
            numbers.AddRange(push.Numbers);
            push.Received();
        }

        Assert.That(numbers, Is.EqualTo(Enumerable.Range(from, to - from + 1)));
    }

    /// <summary>One more host on the store.</summary>
    private async Task<TestHomeserver> StartHostAsync(Action<AppserviceOptions>? configure = null)
    {
        var store = _keeper.Services.GetRequiredService<ITransactionStore>();
        return await TestHomeserver.StartAsync(builder =>
        {
            builder.Services.Replace(ServiceDescriptor.Singleton(store));
            builder.Services.Replace(ServiceDescriptor.Singleton((IDeviceInbox)store));
            builder.Services.Replace(ServiceDescriptor.Singleton((IFederationOutbox)store));
            TestAppservices.Add(builder, configure ?? (_ => { }), TestAppservices.Irc);
        });
    }
}
