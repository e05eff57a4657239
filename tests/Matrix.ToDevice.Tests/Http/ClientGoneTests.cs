using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>The client breaks the connection at each point of a send; then it tries again (D3).</summary>
public class ClientGoneTests : HttpTests
{
    private HookedStore Store => Server.Services.GetRequiredService<HookedStore>();

    private protected override void Configure(ISendToDeviceBuilder builder) => HookedStore.Add(builder);

    [Test]
    public async Task D3_a_body_that_breaks_off_delivers_nothing_and_its_retry_runs(
        [Values(0, 1, 20)] int missing, [Values] bool reset)
    {
        using (var outcomes = SendOutcomes.Of(Server))
        {
            using var connection = await RawConnection.OpenAsync(Server.Address);
            // The last byte of the announced length never comes, be the JSON complete without it or not.
            await connection.WriteAsync(RawConnection.Put($"{Endpoint}m.test/t1", Alice.Token, ToBob() + " ")[..^(missing + 1)]);
            if (reset) connection.Reset();
            else connection.Dispose();
            Assert.That(await outcomes.NextAsync(), Is.EqualTo("client_gone"));
        }

        Assert.That(await CountBobsMailAsync(), Is.Zero);
        await RetryAsync();
    }

    [Test]
    public async Task D3_a_body_that_ends_early_is_not_refused_for_good()
    {
        using (var connection = await RawConnection.OpenAsync(Server.Address))
        {
            await connection.WriteAsync(RawConnection.Put($"{Endpoint}m.test/t1", Alice.Token, ToBob())[..^5]);
            connection.FinishSending();

            // It can still read, but it gets no answer that would make it drop the message.
            Assert.That(await connection.ReadResponseAsync(), Is.Null);
        }

        await RetryAsync();
    }

    [TestCase("begin")]
    [TestCase("append")]
    public async Task D3_a_client_that_goes_before_the_commit_records_nothing(string step)
    {
        var arrived = new TaskCompletionSource();
        // Goes on only when the server has noticed that the client is gone.
        async Task WaitAsync(CancellationToken cancellationToken)
        {
            arrived.SetResult();
            await new TaskCompletionSource().Task.WaitAsync(cancellationToken);
        }

        if (step == "begin") Store.BeforeBegin = WaitAsync;
        else Store.BeforeAppend = WaitAsync;

        Assert.That(await SendAndGoAsync(arrived.Task), Is.EqualTo("client_gone"));
        Assert.That(await CountBobsMailAsync(), Is.Zero);
        await RetryAsync();
    }

    [Test]
    public async Task D3_a_store_that_does_not_notice_that_the_client_has_gone_records_nothing()
    {
        var arrived = new TaskCompletionSource();
        Store.AfterAppend = async cancellationToken =>
        {
            var gone = new TaskCompletionSource();
            await using var _ = cancellationToken.Register(gone.SetResult);
            arrived.SetResult();
            await gone.Task;
        };

        Assert.That(await SendAndGoAsync(arrived.Task), Is.EqualTo("client_gone"));
        Assert.That(await CountBobsMailAsync(), Is.Zero);
        await RetryAsync();
    }

    [TestCase("before the commit")]
    [TestCase("right before the answer")]
    public async Task R41_D3_a_client_that_goes_when_the_commit_has_begun_finds_its_send_done(string step)
    {
        var arrived = new TaskCompletionSource();
        var gone = new TaskCompletionSource();
        Store.BeforeAppend = cancellationToken =>
        {
            cancellationToken.Register(gone.SetResult);
            return Task.CompletedTask;
        };
        // Goes on only when the server has noticed that the client is gone.
        Task WaitAsync()
        {
            arrived.SetResult();
            return gone.Task;
        }

        if (step == "before the commit") Store.BeforeCommit = WaitAsync;
        else Store.AfterCommit = WaitAsync;

        Assert.That(await SendAndGoAsync(arrived.Task), Is.EqualTo("committed"));
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
        await RetryAsync();
    }

    /// <summary>Sends, breaks the connection when the server has arrived at a step, and returns the outcome.</summary>
    private async Task<string> SendAndGoAsync(Task arrived)
    {
        using var outcomes = SendOutcomes.Of(Server);
        using var connection = await RawConnection.OpenAsync(Server.Address);
        await connection.WriteAsync(RawConnection.Put($"{Endpoint}m.test/t1", Alice.Token, ToBob()));
        await arrived;
        connection.Reset();
        return await outcomes.NextAsync();
    }

    private async Task RetryAsync()
    {
        Store.BeforeBegin = Store.BeforeAppend = Store.AfterAppend = _ => Task.CompletedTask;
        Store.BeforeCommit = Store.AfterCommit = () => Task.CompletedTask;
        (await Alice.PutAsync("m.test", "t1", ToBob())).ShouldBeAccepted();
        (await Alice.PutAsync("m.test", "t1", ToBob())).ShouldBeAccepted();
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }
}
