using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice;

/// <summary>
/// Who answers an endpoint's requests: one for all of them, when all that the host has given the module is. A request that asks for its
/// services has a scope made for it, which costs more than a small send. Otherwise, each has one of its own.
/// </summary>
internal sealed class RequestHandler<THandler>(IServiceProvider services)
    where THandler : class
{
    private volatile bool _isOneForAll = Registration.IsOneForAllRequests(services);
    private THandler? _shared;

    public THandler Of(HttpContext context)
    {
        // Somebody in front has looked for services, and may have put others in their place: those of a tenant, for example.
        if (!_isOneForAll || context.Features.Get<IServiceProvidersFeature>() is not null)
            return context.RequestServices.GetRequiredService<THandler>();

        // Made at the first request, as it always was. Made twice at once, either serves.
        return _shared ?? Share(context);
    }

    private THandler Share(HttpContext context)
    {
        _isOneForAll = Registration.IsSameInEachScope(services);
        return _isOneForAll ? _shared = services.GetRequiredService<THandler>() : context.RequestServices.GetRequiredService<THandler>();
    }
}
