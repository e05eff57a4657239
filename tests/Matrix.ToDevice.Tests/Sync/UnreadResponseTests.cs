using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>Clients that ask and do not read, and responses that fail while they are written.</summary>
public class UnreadResponseTests
{
    private const int Clients = 50, SmallBuffer = 8192;

    [Test]
    public async Task D19_pages_are_given_back_though_nobody_reads_the_responses()
    {
        var finished = 0;
        await using var server = await TestHomeserver.StartAsync(
            builder =>
            {
                HookedInbox.Add(builder);
                // Little of a response fits between the server and its client.
                builder.Services.Configure<SocketTransportOptions>(options => options.CreateBoundListenSocket = endpoint =>
                {
                    var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
                    socket.SendBufferSize = SmallBuffer;
                    return socket;
                });
            },
            app =>
            {
                app.Use(async (context, next) =>
                {
                    await next(context);
                    if (HttpMethods.IsGet(context.Request.Method)) Interlocked.Increment(ref finished);
                });
                app.MapSendToDevice();
                app.MapToDeviceSync();
            });
        var (alice, bob) = (server.Login("@alice:hs1", "A1"), server.Login("@bob:hs1", "B1"));
        var contents = Enumerable.Range(0, 17).Select(n => $$"""{"n":{{n}},"x":"{{new string((char)('a' + n), 60_000)}}"}""").ToList();
        for (var n = 0; n < contents.Count; n++) (await alice.SendAsync($"t{n}", "@bob:hs1", "B1", contents[n])).ShouldBeAccepted();

        using var http = new HttpClient(new SocketsHttpHandler { ConnectCallback = ConnectAsync }) { BaseAddress = server.Address };
        var responses = await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => AskAsync(http, bob.Token)));

        var inbox = server.Services.GetRequiredService<HookedInbox>();
        for (var n = 0; n < Clients; n++) Assert.That(await inbox.GivenBack.WaitAsync(TimeSpan.FromSeconds(30)), Is.True, $"page {n}");
        Assert.That(finished, Is.Zero, "all responses wait for their clients");

        // What clients read in the end is whole, though the memory of the pages has been used by others.
        foreach (var response in responses)
            Assert.That(new TestSync(await TestResponse.ReadAsync(response)).Contents, Is.EqualTo(contents));
    }

    [Test]
    public async Task D3_a_response_that_fails_halfway_is_cut_off_and_logged()
    {
        using var log = new CapturedLog();
        await using var server = await TestHomeserver.StartAsync(builder =>
        {
            HookedInbox.Add(builder);
            log.AddTo(builder, LogLevel.Warning);
        });
        var (alice, bob) = (server.Login("@alice:hs1", "A1"), server.Login("@bob:hs1", "B1"));
        for (var n = 0; n < 10; n++) await alice.SendAsync($"t{n}", "@bob:hs1", "B1", $$"""{"x":"{{new string('x', 9000)}}"}""");
        var inbox = server.Services.GetRequiredService<HookedInbox>();
        using var failing = new FailingMemory();
        inbox.Replace = page => new InboxPage([.. page.Messages.SkipLast(1), page.Messages[^1] with { Content = failing.Memory }], false, page);

        Assert.That(async () => await bob.SyncAsync(), Throws.InstanceOf<HttpRequestException>());
        Assert.That(log.Entries.Select(entry => entry.Text), Has.One.Contains("the memory has gone"));
        Assert.That(await inbox.GivenBack.WaitAsync(TimeSpan.FromSeconds(30)), Is.True);

        inbox.Replace = page => page;
        Assert.That((await bob.SyncAsync()).Events, Has.Count.EqualTo(10));
    }

    private static async Task<HttpResponseMessage> AskAsync(HttpClient http, string token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/_matrix/client/v3/sync");
        request.Headers.Authorization = new("Bearer", token);
        return await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveBufferSize = SmallBuffer };
        await socket.ConnectAsync(IPAddress.Parse(context.DnsEndPoint.Host), context.DnsEndPoint.Port, cancellationToken);
        return new NetworkStream(socket, ownsSocket: true);
    }

    /// <summary>A content that cannot be read.</summary>
    private sealed class FailingMemory : MemoryManager<byte>
    {
        public override Memory<byte> Memory => CreateMemory(100);

        public override Span<byte> GetSpan() => throw new IOException("the memory has gone");

        public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
