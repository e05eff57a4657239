using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>One user sends much at once; the others send.</summary>
public class SenderTurnTests
{
    private const int AtOnce = 4;

    [Test]
    public async Task D12_a_user_who_sends_much_at_once_has_a_few_places_in_the_store_and_leaves_the_others_to_others()
    {
        await using var server = await TestHomeserver.StartAsync(HookedStore.Add);
        var store = server.Services.GetRequiredService<HookedStore>();
        var (alice, carol, bob) = (server.Login("@alice:hs1", "A1"), server.Login("@carol:hs1", "C1"), server.Login("@bob:hs1", "B1"));
        var (reached, goOn) = (0, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        store.BeforeCommit = () =>
        {
            Interlocked.Increment(ref reached);
            return goOn.Task;
        };

        var sends = Enumerable.Range(0, 3 * AtOnce).Select(n => alice.SendAsync($"t{n}", "@bob:hs1", "B1")).ToList();
        while (Volatile.Read(ref reached) < AtOnce) await TimeLimit.OneMoreTurnAsync();
        // Whoever comes behind all of them, with another device of hers too, is not held up, and nobody has slipped in meanwhile.
        store.BeforeCommit = () => Task.CompletedTask;
        (await carol.SendAsync("t1", "@bob:hs1", "B1")).ShouldBeAccepted();
        Assert.That(sends, Has.None.Matches<Task<TestResponse>>(send => send.IsCompleted));
        Assert.That(reached, Is.EqualTo(AtOnce));

        goOn.SetResult();
        foreach (var response in await Task.WhenAll(sends)) response.ShouldBeAccepted();
        Assert.That((await bob.SyncAsync()).Events, Has.Count.EqualTo(sends.Count + 1));
    }

    [Test]
    public async Task D12_who_gives_up_while_it_waits_for_its_turn_takes_nobodys()
    {
        await using var server = await TestHomeserver.StartAsync(HookedStore.Add);
        var store = server.Services.GetRequiredService<HookedStore>();
        var (alice, bob) = (server.Login("@alice:hs1", "A1"), server.Login("@bob:hs1", "B1"));
        var (reached, goOn) = (0, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        store.BeforeCommit = () =>
        {
            Interlocked.Increment(ref reached);
            return goOn.Task;
        };
        var sends = Enumerable.Range(0, AtOnce).Select(n => alice.SendAsync($"t{n}", "@bob:hs1", "B1")).ToList();
        while (Volatile.Read(ref reached) < AtOnce) await TimeLimit.OneMoreTurnAsync();

        for (var n = 0; n < AtOnce; n++)
        {
            using var gone = new CancellationTokenSource();
            using var body = new StringContent("""{"messages":{"@bob:hs1":{"B1":{} } } }""");
            var waiting = alice.SendAsync(HttpMethod.Put, $"/_matrix/client/v3/sendToDevice/m.gone/gone{n}", body, gone.Token);
            await gone.CancelAsync();
            Assert.That(async () => await waiting, Throws.InstanceOf<OperationCanceledException>());
        }

        goOn.SetResult();
        foreach (var response in await Task.WhenAll(sends)) response.ShouldBeAccepted();
        for (var n = 0; n < AtOnce; n++) (await alice.SendAsync($"later{n}", "@bob:hs1", "B1")).ShouldBeAccepted();
        // Whoever gives up does not know whether the server heard of it in time.
        Assert.That((await bob.SyncAsync()).Events.Where(message => message.Type != "m.gone").ToList(), Has.Count.EqualTo(2 * AtOnce));
    }
}
