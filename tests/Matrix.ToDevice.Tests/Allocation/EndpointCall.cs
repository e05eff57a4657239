using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests.Allocation;

/// <summary>
/// Calls the module's endpoints as the server does, on this thread and without a server: what is allocated is the module's, and the same
/// each time. There are no services of a request: who asks for them fails.
/// </summary>
internal sealed class EndpointCall : IAsyncDisposable
{
    private const string SendPrefix = "/_matrix/client/v3/sendToDevice/", SyncPath = "/_matrix/client/v3/sync";

    private readonly WebApplication _app;
    private readonly RequestDelegate _send, _sync;
    private int _sends;

    public EndpointCall(int users)
    {
        var builder = WebApplication.CreateSlimBuilder();
        var devices = Enumerable.Repeat(UserDevices.Local(new HashSet<string> { "D" }), users).ToList();
        var alice = new ValueTask<AuthResult>(AuthResult.Success("@user0:hs1", "D"));
        builder.Services.AddSendToDevice().UseTestStore().UseAuth((_, _) => alice);
        builder.Services.AddSingleton<IDeviceDirectory>(new Everybody(devices));
        _app = builder.Build();
        _app.MapSendToDevice();
        _app.MapToDeviceSync();
        _send = Find(HttpMethods.Put, SendPrefix + "{eventType}/{txnId}");
        _sync = Find(HttpMethods.Get, SyncPath);
    }

    public ToDeviceSync ToDevice => _app.Services.GetRequiredService<ToDeviceSync>();

    /// <summary>Carries out one send; the result is how many bytes it allocated.</summary>
    public long Send(byte[] body)
    {
        var txnId = $"txn{_sends++:D8}";
        var context = Request(HttpMethods.Put, SendPrefix + "m.test/" + txnId, body);
        context.Request.RouteValues = new RouteValueDictionary { ["eventType"] = "m.test", ["txnId"] = txnId };
        return Measure(_send, context);
    }

    /// <summary>Carries out one sync.</summary>
    public long Sync(string since)
    {
        var context = Request(HttpMethods.Get, SyncPath, []);
        context.Request.QueryString = new QueryString("?timeout=0&since=" + since);
        // Reading it is the server's.
        _ = context.Request.Query["since"];
        return Measure(_sync, context);
    }

    /// <summary>A device takes what it has; the result is its token.</summary>
    public async Task<string> TakeAllAsync(DeviceAddress device)
    {
        string? since = null;
        while (true)
        {
            using var batch = await ToDevice.NextAsync(device, since, TimeSpan.Zero, default);
            since = batch.NextBatch;
            if (batch.IsEmpty) return since;
        }
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static long Measure(RequestDelegate endpoint, HttpContext context)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var answered = endpoint(context);
        var bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.That((answered.IsCompletedSuccessfully, context.Response.StatusCode), Is.EqualTo((true, 200)), "another thread's are not counted");
        return bytes;
    }

    private RequestDelegate Find(string method, string pattern) => ((IEndpointRouteBuilder)_app).DataSources.SelectMany(source => source.Endpoints)
        .OfType<RouteEndpoint>().Single(endpoint => endpoint.RoutePattern.RawText == pattern
            && endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods.Contains(method) == true).RequestDelegate!;

    private static DefaultHttpContext Request(string method, string path, byte[] body)
    {
        var request = new HttpRequestFeature { Method = method, Path = path, RawTarget = path, Headers = new HeaderDictionary { ContentLength = body.Length } };
        var features = new FeatureCollection();
        features.Set<IHttpRequestFeature>(request);
        // With room for headers: their table is the server's.
        features.Set<IHttpResponseFeature>(new HttpResponseFeature { Headers = new HeaderDictionary(8) });
        features.Set<IHttpResponseBodyFeature>(new Nowhere());
        features.Set<IRequestBodyPipeFeature>(new Pipe(body));
        features.Set<IHttpRequestLifetimeFeature>(new HttpRequestLifetimeFeature());
        return new DefaultHttpContext(features);
    }

    private sealed class Pipe(byte[] body) : IRequestBodyPipeFeature
    {
        public PipeReader Reader { get; } = PipeReader.Create(new ReadOnlySequence<byte>(body));
    }

    /// <summary>Takes answers, and forgets them.</summary>
    private sealed class Nowhere : PipeWriter, IHttpResponseBodyFeature
    {
        private readonly byte[] _bytes = new byte[1 << 20];

        public PipeWriter Writer => this;
        public Stream Stream => Stream.Null;

        public override void Advance(int bytes)
        {
        }

        public override Memory<byte> GetMemory(int sizeHint = 0) => _bytes;

        public override Span<byte> GetSpan(int sizeHint = 0) => _bytes;

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => default;

        public override void CancelPendingFlush()
        {
        }

        public override void Complete(Exception? exception = null)
        {
        }

        public void DisableBuffering()
        {
        }

        public Task StartAsync(CancellationToken cancellationToken = default) => Task.CompletedTask;

        public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) => Task.CompletedTask;

        public Task CompleteAsync() => Task.CompletedTask;
    }

    /// <summary>Everybody has one device, and nothing is made to say so.</summary>
    private sealed class Everybody(List<UserDevices> devices) : IDeviceDirectory
    {
        public ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken) =>
            userIds.Count == devices.Count ? new(devices) : throw new NotSupportedException();
    }
}
