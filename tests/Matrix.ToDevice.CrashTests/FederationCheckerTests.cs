using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>The checker sees what two servers can do wrong: the same clients, with a way between the servers that breaks a promise.</summary>
[Category("Slow")]
public class FederationCheckerTests
{
    [Test]
    public async Task Sound_servers_between_which_answers_are_lost_are_found_clean()
    {
        var result = await RunAsync(new LossyWay());

        Assert.That(result.IsClean, $"{result}");
    }

    [Test]
    public async Task A_receiver_that_forgets_message_IDs_is_found_to_double()
    {
        var result = await RunAsync(new LossyWay { ReceiverForgets = true });

        Assert.That(result.Duplicated, Is.Positive);
    }

    [Test]
    public async Task A_receiver_that_answers_200_to_what_it_has_not_stored_is_found_to_lose()
    {
        var result = await RunAsync(new LossyWay { ReceiverAnswersAnyway = true });

        Assert.That(result.Lost, Is.Positive);
    }

    [Test]
    public async Task A_sender_that_does_not_keep_the_order_is_found_to_disorder()
    {
        var result = await RunAsync(new LossyWay { SenderDisorders = true });

        Assert.That(result.OutOfOrder, Is.Positive);
    }

    private static async Task<Checker> RunAsync(LossyWay way)
    {
        await using var receiving = await StartAsync(builder => builder);
        way.Receiver = receiving.Services.GetRequiredService<FederationReceiver>();
        await using var sending = await StartAsync(builder =>
        {
            builder.Services.AddSingleton(way);
            return builder.UseFederation<ToWay>(options => options.MinPause = options.MaxPause = options.PollInterval = TimeSpan.FromMilliseconds(5));
        });

        var history = new History();
        Account[] senders = [.. Enumerable.Range(0, 4).Select(i => new Account($"@sender{i}:hs1", "S", $"@sender{i}:hs1|S"))];
        Account[] receivers = [.. TwoServers.DeviceIds.Select(id => new Account("@receiver:hs2", id, $"@receiver:hs2|{id}"))];
        var clients = new LoadClients(() => new Uri(sending.Urls.Single()), () => new Uri(receiving.Urls.Single()), history, senders, receivers, seed: 1);
        using var stop = new CancellationTokenSource();
        var receives = clients.ReceiveAsync(stop.Token);
        await clients.SendAsync(atMost: 60, CancellationToken.None);
        var outbox = sending.Services.GetRequiredService<IFederationOutbox>();
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while ((await outbox.ListDestinationsAsync(null, 1, limit.Token)).Count > 0) await Task.Yield();
        await stop.CancelAsync();
        await receives;
        return Checker.Check(history);
    }

    private static async Task<WebApplication> StartAsync(Func<ISendToDeviceBuilder, ISendToDeviceBuilder> configure)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        configure(builder.Services.AddSendToDevice().UseInMemory()
            .UseAuth((context, _) => ValueTask.FromResult(Authenticate(context)))
            .UseDirectory<TwoServers>());
        var app = builder.Build();
        app.MapSendToDevice();
        app.MapToDeviceSync();
        await app.StartAsync();
        return app;
    }

    /// <summary>The token says who it is.</summary>
    private static AuthResult Authenticate(HttpContext context)
    {
        var parts = MatrixAccessToken.Read(context)!.Split('|');
        return AuthResult.Success(parts[0], parts[1]);
    }

    /// <summary>Seen from hs1 the receivers are remote; the other server is asked about nobody else than them, and has their devices.</summary>
    private sealed class TwoServers(IServiceProvider services) : IDeviceDirectory
    {
        public static readonly string[] DeviceIds = ["R0", "R1"];

        private readonly bool _isSending = services.GetService<IFederationTransport>() is not null;

        public ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken) =>
            ValueTask.FromResult<IReadOnlyList<UserDevices>>([.. userIds.Select(_ => _isSending ? UserDevices.Remote : UserDevices.Local(DeviceIds))]);
    }

    private sealed class ToWay(LossyWay way) : IFederationTransport
    {
        public ValueTask<FederationSendResult> SendAsync(FederationTransaction transaction, CancellationToken cancellationToken) =>
            way.CarryAsync(transaction, cancellationToken);
    }

    /// <summary>Breaks down in every third transaction, behind one of its EDUs. Each switch breaks one promise.</summary>
    private sealed class LossyWay
    {
        private const int LostOneIn = 3;

        private readonly Random _random = new(1);
        private int _forgotten;

        public FederationReceiver Receiver { get; set; } = null!;
        public bool ReceiverForgets { get; init; }
        public bool ReceiverAnswersAnyway { get; init; }
        public bool SenderDisorders { get; init; }

        public async ValueTask<FederationSendResult> CarryAsync(FederationTransaction transaction, CancellationToken cancellationToken)
        {
            var lostBehind = _random.Next(LostOneIn) == 0 ? _random.Next(transaction.Edus.Count) : transaction.Edus.Count;
            for (var i = 0; i < transaction.Edus.Count; i++)
            {
                var edu = transaction.Edus[SenderDisorders ? transaction.Edus.Count - 1 - i : i];
                if (i == lostBehind && ReceiverAnswersAnyway) return FederationSendResult.Received;

                // A message ID that it has never seen is what every one is to a receiver that forgets them.
                ReadOnlyMemory<byte> content = ReceiverForgets
                    ? Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(edu.Content.Span).Replace(edu.MessageId, $"{_forgotten++}", StringComparison.Ordinal))
                    : edu.Content;
                await Receiver.ReceiveAsync("hs1", content, cancellationToken);
                if (i == lostBehind) return FederationSendResult.Failed("The answer was lost.");
            }

            return FederationSendResult.Received;
        }
    }
}
