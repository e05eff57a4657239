using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>What makes two requests the same request.</summary>
public class TransactionScopeTests : HttpTests
{
    private readonly TestTime _time = new();

    private protected override void Configure(ISendToDeviceBuilder builder) => builder.Services.AddSingleton<TimeProvider>(_time);

    [Test]
    public async Task R40_R41_a_retry_is_answered_like_the_first_and_delivers_nothing_more()
    {
        var first = await Alice.SendAsync("t1", "@bob:hs1", "B1");
        var retry = await Alice.SendAsync("t1", "@bob:hs1", "B1");

        Assert.That((retry.Status, retry.Body), Is.EqualTo((first.Status, first.Body)));
        Assert.That(retry.Headers.Keys, Is.EquivalentTo(first.Headers.Keys));
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task R41_a_retry_after_the_delivery_delivers_nothing_more()
    {
        (await Alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        var delivered = await Bob.SyncAsync((await Bob.SyncAsync()).NextBatch);

        (await Alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That((await Bob.SyncAsync(delivered.NextBatch)).Events, Is.Empty);
    }

    [Test]
    public async Task R42_the_scope_is_one_device()
    {
        foreach (var (user, device) in new[] { ("@alice:hs1", "A1"), ("@alice:hs1", "A2"), ("@carol:hs1", "A1"), ("@alice:hs1", "a1") })
            (await Server.Login(user, device).SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(4));
    }

    [Test]
    public async Task R42_users_and_devices_do_not_run_together()
    {
        foreach (var (user, device) in new[] { ("@a:hs1", "bc"), ("@a:hs1b", "c"), ("@a:hs", "1bc") })
            (await Server.Login(AuthResult.Success(user, device)).SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(3));
    }

    [Test]
    public async Task R43_the_same_transaction_ID_on_another_endpoint_is_another_transaction()
    {
        // What a host does that keeps the transactions of its other endpoints in the same store.
        var store = Server.Services.GetRequiredService<ITransactionStore>();
        var key = new TransactionKey("@alice:hs1", "A1", "rooms/send", "m.test", "t1");
        await using (var transaction = await store.BeginAsync(key, store.KnownRemovals, default))
            Assert.That(await transaction!.CommitAsync(default), Is.EqualTo(CommitResult.Committed));

        (await Alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task R44_the_same_transaction_ID_with_another_event_type_is_another_transaction()
    {
        (await Alice.SendAsync("t1", "@bob:hs1", "B1", eventType: "m.one")).ShouldBeAccepted();
        (await Alice.SendAsync("t1", "@bob:hs1", "B1", eventType: "m.two")).ShouldBeAccepted();

        Assert.That((await Bob.SyncAsync()).Events.Select(message => message.Type), Is.EqualTo(new[] { "m.one", "m.two" }));
    }

    [Test]
    public async Task R45_after_a_refresh_of_the_token_it_is_still_the_same_transaction()
    {
        (await Alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        var refreshed = Server.Login(AuthResult.Success("@alice:hs1", "A1"));
        Assert.That(refreshed.Token, Is.Not.EqualTo(Alice.Token));

        (await refreshed.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task R46_a_new_device_is_distinct_and_a_login_to_the_old_one_is_not()
    {
        (await Alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        (await Server.Login("@alice:hs1", "A1").SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));

        (await Server.Login("@alice:hs1", "A2").SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(2));
    }

    [Test]
    public async Task R47_another_body_is_still_the_same_transaction()
    {
        var carol = Server.Login("@carol:hs1", "C1");
        (await Alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":1}""")).ShouldBeAccepted();

        (await Alice.SendAsync("t1", "@bob:hs1", "B1", """{"n":2}""")).ShouldBeAccepted();
        (await Alice.SendAsync("t1", "@carol:hs1", "C1")).ShouldBeAccepted();

        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { """{"n":1}""" }));
        Assert.That((await carol.SyncAsync()).Events, Is.Empty);
    }

    [Test]
    public async Task R48_a_record_is_kept_a_day_after_its_last_use_and_not_for_ever()
    {
        var retention = new SendToDeviceOptions().TransactionRetention;
        Assert.That(retention, Is.EqualTo(TimeSpan.FromHours(24)));
        (await Alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        await PurgeAfterAsync(retention);
        (await Alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        await PurgeAfterAsync(retention);
        (await Alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));

        await PurgeAfterAsync(retention + TimeSpan.FromSeconds(1));
        (await Alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(2));

        async Task PurgeAfterAsync(TimeSpan time)
        {
            _time.Advance(time);
            await Server.Services.GetRequiredService<ITransactionStore>().PurgeAsync(TransactionKey.SendToDevice, _time.GetUtcNow() - retention, 100, default);
        }
    }

    [Test]
    public async Task R49_the_transaction_ID_is_for_idempotency_only()
    {
        // It neither orders the messages nor shows up in them.
        foreach (var txnId in (string[])["9", "1", "5"]) (await Alice.SendAsync(txnId, "@bob:hs1", "B1", $$"""{"n":{{txnId}}}""")).ShouldBeAccepted();

        var sync = await Bob.SyncAsync();
        Assert.That(sync.Contents, Is.EqualTo(new[] { """{"n":9}""", """{"n":1}""", """{"n":5}""" }));
        Assert.That(sync.Events.Select(message => message.Keys), Has.All.EqualTo("sender,type,content"));
    }

    [Test]
    public async Task D3_a_refused_request_records_nothing()
    {
        (await Alice.PutAsync("m.test", "t1", "{")).ShouldBe(400, "M_NOT_JSON");
        (await Alice.PutAsync("m.test", "t1", "{}")).ShouldBe(400, "M_BAD_JSON");

        (await Alice.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }
}
