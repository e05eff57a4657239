using System.Collections.Concurrent;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice;

/// <summary>
/// The endpoints that one MapX call made, as one builder: a convention of the host (a rate limit, a required host name, …)
/// goes to all of them.
/// </summary>
internal sealed class MatrixRoutes(IEndpointRouteBuilder endpoints) : IEndpointConventionBuilder
{
    private readonly List<IEndpointConventionBuilder> _builders = [];

    /// <summary>A name for an endpoint, such as OpenAPI shows it: no two of an application may have the same.</summary>
    public string NameOf(string endpoint) => endpoints.ServiceProvider.GetRequiredService<MatrixRouteNames>().Next(endpoint);

    /// <summary>Adds an endpoint, and next to it the answers to <c>OPTIONS</c> and to other methods (R5, R6).</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="pattern">The paths that are this endpoint's to answer.</param>
    /// <param name="method">The endpoint's method.</param>
    /// <param name="isEndpoint">Whether a request to one of those paths names the endpoint, or something unknown.</param>
    public void Add(IEndpointConventionBuilder endpoint, string pattern, string method, Func<HttpContext, bool> isEndpoint) =>
        Add([(method, endpoint)], pattern, isEndpoint);

    /// <summary>The same for endpoints that have the same path and different methods.</summary>
    /// <inheritdoc cref="Add(IEndpointConventionBuilder, string, string, Func{HttpContext, bool})"/>
    public void Add(
        IReadOnlyList<(string Method, IEndpointConventionBuilder Endpoint)> methods, string pattern, Func<HttpContext, bool> isEndpoint)
    {
        var others = endpoints.Map(pattern, context => AnswerAsync(context, [.. methods.Select(one => one.Method)], isEndpoint)).ExcludeFromDescription();
        others.Finally(builder =>
        {
            // OPTIONS and unknown methods run none of the endpoint's logic: no rate limit, no authorization (R6).
            builder.Metadata.Add(new AllowAnonymousAttribute());
            builder.Metadata.Add(new DisableRateLimitingAttribute());
        });
        foreach (var (_, endpoint) in methods)
        {
            endpoint.Add(builder => builder.Metadata.Add(MatrixEndpointMetadata.Instance));
            _builders.Add(endpoint);
        }

        _builders.Add(others);
    }

    public void Add(Action<EndpointBuilder> convention) => _builders.ForEach(builder => builder.Add(convention));

    public void Finally(Action<EndpointBuilder> finallyConvention) => _builders.ForEach(builder => builder.Finally(finallyConvention));

    private static Task AnswerAsync(HttpContext context, string[] methods, Func<HttpContext, bool> isEndpoint)
    {
        if (HttpMethods.IsOptions(context.Request.Method)) return MatrixResponse.WriteEmptyObjectAsync(context);
        // With the endpoint's own method it would have gone there, were it the endpoint's path.
        if (methods.Any(method => HttpMethods.Equals(context.Request.Method, method)) || !isEndpoint(context))
            return ToDeviceError.UnknownEndpoint.WriteAsync(context);

        context.Response.Headers.Allow = $"{string.Join(", ", methods)}, OPTIONS";
        return ToDeviceError.WrongMethod.WriteAsync(context);
    }
}

/// <summary>Marks the module's endpoints, so that what goes wrong before them can be answered in Matrix form.</summary>
internal sealed class MatrixEndpointMetadata
{
    public static MatrixEndpointMetadata Instance { get; } = new();
}

/// <summary>How often each endpoint has been mapped.</summary>
internal sealed class MatrixRouteNames
{
    private readonly ConcurrentDictionary<string, int> _mapped = new();

    public string Next(string endpoint) =>
        _mapped.AddOrUpdate(endpoint, 1, (_, count) => count + 1) is > 1 and var number ? $"{endpoint}_{number}" : endpoint;
}
