"""Amounts of money in templates."""

from django import template

from sigdemo.shop import money

register = template.Library()
register.filter("euro", money.euro)
register.filter("percent", money.percent)
